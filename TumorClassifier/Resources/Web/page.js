// What the page needs beside trame: choosing and dropping files, downloads, keys, and a word when the server is gone.
(function () {
  "use strict";
  const ACCEPT = { image: ".nrrd,.nii,.nii.gz,.gz,.mha,.zip,.dcm", segmentation: ".nrrd,.nii,.nii.gz,.gz,.mha,.dcm" };
  let ended = false;

  function trame() { return window.trame; }
  function tell(text) { trame().state.set("upload_text", text); }
  function fail(text) { trame().trigger("refused", [text]); }

  function choose(kind) {
    const input = document.createElement("input");
    input.type = "file";
    input.setAttribute("data-test", "file-" + kind);
    if (kind === "folder") { input.webkitdirectory = true; } else { input.accept = ACCEPT[kind]; }
    input.style.display = "none";
    document.body.appendChild(input);
    input.addEventListener("change", () => { send([...input.files], kind); input.remove(); });
    input.addEventListener("cancel", () => input.remove());
    input.click();
  }

  function send(files, kind) {
    if (!files.length) { return; }
    const limit = trame().state.get("upload_megabytes");
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    if (bytes > limit * 1048576) {
      fail("These files have " + Math.ceil(bytes / 1048576) + " MB and " + limit + " MB are allowed; choose fewer or smaller ones.");
      return;
    }
    const form = new FormData();
    for (const file of files) { form.append("file", file, file.name); }
    const request = new XMLHttpRequest();
    request.open("POST", "upload?kind=" + kind);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) { tell("Uploading, " + Math.round(100 * event.loaded / event.total) + " %"); }
    };
    request.onload = () => {
      tell("");
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch (_) { answer = {}; }
      if (request.status === 200) { trame().trigger("received", [answer.upload]); }
      else { fail(answer.error || "The upload was refused; try another file."); }
    };
    request.onerror = () => { tell(""); fail("The upload broke off; try again."); };
    tell("Uploading");
    request.send(form);
  }

  function download(name) {
    if (!name) { return; }
    const link = document.createElement("a");
    link.href = "download/" + name + "?" + Date.now();
    link.download = "";
    document.body.appendChild(link);
    link.click();
    link.remove();
  }

  window.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("tc-over"); });
  window.addEventListener("dragleave", () => document.body.classList.remove("tc-over"));
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("tc-over");
    if (!event.dataTransfer) { return; }
    const state = trame().state;
    send([...event.dataTransfer.files], state.get("step") === 2 && state.get("images").length ? "segmentation" : "image");
  });

  window.addEventListener("keydown", (event) => {
    if (event.target.closest && event.target.closest("input, textarea, select, .v-overlay")) { return; }
    if (event.altKey && event.key >= "1" && event.key <= "4") {
      event.preventDefault();
      trame().state.set("step", Number(event.key));
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      trame().trigger(event.shiftKey ? "redo" : "undo");
    }
  });

  function gone(text) {
    if (ended) { return; }
    ended = true;
    const box = document.createElement("div");
    box.className = "tc-gone";
    box.setAttribute("role", "alert");
    const line = document.createElement("div");
    line.textContent = text;
    const button = document.createElement("button");
    button.textContent = "Start again";
    button.addEventListener("click", () => window.location.reload());
    box.append(line, button);
    document.body.appendChild(box);
    button.focus();
  }

  let misses = 0;
  async function watch() {
    try {
      const answer = await fetch("alive", { cache: "no-store" });
      misses = 0;
      if (answer.status === 410) {
        gone("This session has ended, because nothing happened for a while or its memory ran out. Its files have been removed.");
      }
    } catch (_) {
      misses += 1;
      if (misses >= 2) { gone("The server has stopped. Start it again, then start here again."); }
    }
    if (!ended) { window.setTimeout(watch, 3000); }
  }
  window.setTimeout(watch, 3000);

  window.tc = { choose, send, download };
  function attach() {
    if (window.trame && window.trame.utils) { window.trame.utils.tc = window.tc; } else { window.setTimeout(attach, 20); }
  }
  attach();
})();
