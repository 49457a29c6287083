"""Grad-CAM (Selvaraju 2017) of a member: where in the film a score came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cxrtriage.nets import FilmClassifier, TransformerClassifier
from cxrtriage.reading.map_methods import MapMethod


@dataclass(frozen=True, eq=False)
class Saliency:
    """`map`: (rows, columns) float32 in 0..1 in film pixels, 1 at its strongest place.

    `method` is one of `map_methods`. `empty` says that nothing in the film spoke for the class; the map
    is then 0 everywhere.
    """

    map: np.ndarray
    method: MapMethod
    net: str
    class_name: str
    empty: bool


class _Tail(nn.Module):
    """The part of a classifier after its last map, as a net of its own.

    Grad-CAM hooks `entry`, which belongs to one call alone: nothing is ever hooked on the shared
    net, so threads cannot see each other's maps and nothing is left behind. The gradient runs
    through this part only. The net is none of its modules: Grad-CAM would go through all its layers to
    put them into a state that they are in, which takes longer than the map.
    """

    def __init__(self, net: FilmClassifier | TransformerClassifier, maps: list[Tensor]) -> None:
        super().__init__()
        self.head, self.finer, self.entry = net.forward_head, maps[:-1], nn.Identity()
        # Grad-CAM asks the first parameter where the net is.
        self.device_of = nn.Parameter(torch.zeros(0, device=maps[-1].device))

    def forward(self, last_map: Tensor) -> Tensor:
        return self.head([*self.finer, self.entry(last_map)])


def prepare() -> None:
    """Import what the first map needs (seconds, for the package brings much along), so that no film waits."""
    import pytorch_grad_cam  # noqa: F401


def grad_cam(net: FilmClassifier | TransformerClassifier, maps: list[Tensor], output: int) -> np.ndarray:
    """Raw Grad-CAM of logit `output` for one film.

    `maps` are what `net.forward_features` gave for it. The map is (rows, columns) float32 of the
    last map's size, 0 or more, in the logit's own unit: not stretched, so that no evidence stays
    no evidence. Where a head weighs a channel otherwise in every zone, a mean of its gradients would say
    nothing of any: there each place has its own (HiResCAM, Draelos 2020, arXiv:2011.08891).
    """
    # Imported when first needed: the package brings matplotlib along.
    from pytorch_grad_cam import GradCAM, HiResCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    tail = _Tail(net, [map_.detach() for map_ in maps]).eval()
    last_map = maps[-1].detach().clone().requires_grad_(True)
    targets = [ClassifierOutputTarget(output)]
    by_place = isinstance(net, FilmClassifier) and net.by_place
    kind = HiResCAM if by_place else GradCAM
    with torch.enable_grad(), kind(model=tail, target_layers=[tail.entry]) as cam:
        cam(input_tensor=last_map, targets=targets)
        watched = cam.activations_and_grads
        activations, gradients = watched.activations[0].numpy(), watched.gradients[0].numpy()
        raw = cam.get_cam_image(last_map, tail.entry, targets, activations, gradients, False)
    map_: np.ndarray = np.maximum(raw[0], 0).astype(np.float32)
    return map_


def mean_saliency(maps: Sequence[Saliency]) -> Saliency:
    """The mean of several nets' maps of one class for one film; empty where all are."""
    speaking = [saliency for saliency in maps if not saliency.empty]
    map_ = np.stack([saliency.map for saliency in speaking or maps]).mean(axis=0, dtype=np.float32)
    return Saliency(
        map_, maps[0].method, "+".join(s.net for s in speaking or maps), maps[0].class_name, not speaking
    )
