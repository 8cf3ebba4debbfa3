"""Where results stand in the subject hierarchy: beside the image that they describe."""

from typing import Any


def item_of(scene: Any, node: Any) -> int:
    """The subject hierarchy item of a node, made at the top level where there is none yet."""
    hierarchy = _hierarchy(scene)
    item = hierarchy.GetItemByDataNode(node)
    if item == hierarchy.GetInvalidItemID():
        item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    return item


def place_beside(scene: Any, node: Any, neighbour: Any) -> None:
    """Give a node the same parent item as its neighbour (the study of the image, for instance)."""
    hierarchy = _hierarchy(scene)
    hierarchy.SetItemParent(item_of(scene, node), hierarchy.GetItemParent(item_of(scene, neighbour)))


def add_folder_beside(scene: Any, name: str, neighbour: Any) -> int:
    """A new folder item with the same parent as the neighbour."""
    hierarchy = _hierarchy(scene)
    parent = hierarchy.GetItemParent(item_of(scene, neighbour))
    return hierarchy.CreateFolderItem(parent, hierarchy.GenerateUniqueItemName(name))


def move_into(scene: Any, folder_item: int, node: Any) -> None:
    """Put a node into a folder."""
    _hierarchy(scene).SetItemParent(item_of(scene, node), folder_item)


def parent_name(scene: Any, node: Any) -> str:
    """The name of the item above a node."""
    hierarchy = _hierarchy(scene)
    return hierarchy.GetItemName(hierarchy.GetItemParent(item_of(scene, node)))


def _hierarchy(scene: Any) -> Any:
    import slicer

    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
