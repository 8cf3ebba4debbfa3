"""The optimizer of a network: stages with rates of their own, frozen stages, mixed precision, and its state."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from FeatureExtractorLib.errors import InputError

from .training_settings import TrainingSettings, in_stage, learning_rate

if TYPE_CHECKING:
    from torch import Tensor, nn


class Optimisation:
    """What steps a network's weights; raises InputError where a stage is none of the network's or all is frozen."""

    def __init__(self, model: "nn.Module", settings: TrainingSettings) -> None:
        import torch

        self.model, self.settings = model, settings
        _check_stages(model, settings)
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not settings.is_frozen(name))
            if parameter.requires_grad:
                groups.setdefault(settings.rate_of(name), []).append(parameter)
        if not groups:
            raise InputError(f"With {', '.join(settings.frozen)} frozen nothing is left to train; freeze less.")
        given: list[dict[str, Any]] = [{"params": group, "base": rate} for rate, group in groups.items()]
        rate, momentum, decay = settings.learning_rate, settings.momentum, settings.weight_decay
        self.optimizer: torch.optim.Optimizer
        if settings.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(given, rate, momentum, weight_decay=decay)
        else:
            self.optimizer = torch.optim.AdamW(given, rate, (momentum, 0.999), weight_decay=decay)
        self.device = next(model.parameters()).device
        self.mixed = settings.mixed_precision and self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.mixed)

    def train_mode(self) -> None:
        """The network as it is trained: frozen stages keep their batch statistics and drop nothing out."""
        self.model.train()
        for name, module in self.model.named_modules():
            if name and self.settings.is_frozen(name):
                module.eval()

    def set_rates(self, epoch: int, fraction: float) -> None:
        """Every stage's learning rate at a share of an epoch."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, epoch, fraction, group["base"])

    def precision(self) -> Any:
        """A block in which the network computes in 16 bits where that is asked for and safe."""
        import torch

        return torch.autocast(self.device.type, dtype=torch.float16 if self.mixed else None, enabled=self.mixed)

    def backward(self, loss: "Tensor", share: float, first: bool) -> None:
        """Add the gradient of a batch's loss; share: of its weight in the step. first: of the step."""
        if first:
            self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss if share == 1.0 else loss * share).backward()

    def step(self) -> None:
        """Step the weights by the gradients that were added."""
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def scale(self) -> dict[str, Any]:
        """The loss's scale in mixed precision, as plain JSON; empty without."""
        return self.scaler.state_dict()

    def changing(self) -> "dict[str, Tensor]":
        """The weights and batch statistics that are not frozen, by name."""
        return {name: t for name, t in self.model.state_dict().items() if not self.settings.is_frozen(name)}

    def state(self) -> "dict[str, Tensor]":
        """All tensors that training has changed: those weights, and what the optimizer remembers."""
        import torch

        state = {f"model.{name}": tensor for name, tensor in self.changing().items()}
        for i, parameter in enumerate(self._parameters()):
            for key, value in self.optimizer.state[parameter].items():
                if value is not None:
                    state[f"optimizer.{i}.{key}"] = torch.as_tensor(value)
        return state

    def restore(self, tensors: "Mapping[str, Tensor]", scale: Mapping[str, Any]) -> None:
        """Put back what `state` and `scale` gave, laid in memory as the weights are: sums come out the same."""
        import torch

        own = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
        self.model.load_state_dict(own, strict=False)
        parameters = self._parameters()
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind != "optimizer":
                continue
            index, _, key = rest.partition(".")
            parameter = parameters[int(index)]
            if tensor.shape == parameter.shape:
                tensor = torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
            self.optimizer.state[parameter][key] = tensor
        if scale:
            self.scaler.load_state_dict(dict(scale))

    def _parameters(self) -> "list[nn.Parameter]":
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def _check_stages(model: "nn.Module", settings: TrainingSettings) -> None:
    names = [name for name, _ in model.named_parameters()]
    for stage in (*settings.frozen, *(stage for stage, _ in settings.rates)):
        if not any(in_stage(name, stage) for name in names):
            known = ", ".join(name for name, _ in model.named_children())
            raise InputError(f"The network has no stage {stage!r} to train; it has {known}, and parts of these.")
