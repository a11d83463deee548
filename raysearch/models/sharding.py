"""A model spread over the processes of a group, block by block (PyTorch's FSDP2), and tensors that are."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from raysearch.models.blocks import blocks_of


def shard_blocks(model: nn.Module, device: torch.device) -> bool:
    """Spreads the weights of the backbone's blocks over all processes; embeddings, last norm and head stay whole.

    A block's weights are gathered for its forward and its backward pass and dropped again, so every process must make
    the same passes in the same order.

    Returns:
        Whether there was a group of several processes to spread over.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return False
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for block in blocks_of(model):
        fully_shard(block, mesh=mesh, reshard_after_forward=True)  # by default a root stays gathered
    return True


def is_spread(tensor: Tensor) -> bool:
    """Whether a tensor is."""
    return isinstance(tensor, DTensor)


def is_sharded(model: nn.Module) -> bool:
    """Whether some of its weights are spread over processes."""
    return any(is_spread(parameter) for parameter in model.parameters())


def whole(tensor: Tensor) -> Tensor:
    """The tensor with the parts of all processes; every process must call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def spread_like(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, spread in the way of another."""
    if not isinstance(like, DTensor):
        return tensor.to(like.device)
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)


def put(parameter: nn.Parameter, value: Tensor) -> None:
    """Gives a parameter other values: by pointing at them, or in place where FSDP holds on to the storage."""
    if isinstance(parameter, DTensor):
        with torch.no_grad():
            parameter.copy_(value)
    else:
        parameter.data = value


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Averages the processes' gradients of weights that each holds whole; FSDP does so itself with spread ones."""
    for parameter in parameters:
        if not isinstance(parameter, DTensor):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad.div_(dist.get_world_size())


def clip_gradients(parameters: Iterable[nn.Parameter], most: float) -> float:
    """Scales gradients down to a norm over all of them, spread ones included.

    Returns:
        The norm before; the same on every process.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    squares = [whole(gradient.float().square().sum()) for gradient in gradients]
    norm = float(torch.stack(squares).sum().sqrt()) if squares else 0.0
    if norm > most:
        for gradient in gradients:
            gradient.mul_(most / (norm + 1e-6))
    return norm
