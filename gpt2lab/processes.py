"""One program on many processors: `finetune` asks an object of this file for everything that several processes must agree on.

Started plainly it gets `Processes`, which is alone and does next to nothing. Started by torchrun (or `accelerate launch`, which
sets the same variables) it gets `DataParallel`, in which each process holds the whole model and reads other rows, or `Sharded`,
in which each holds a part of it. Stands on torch alone.
"""
from __future__ import annotations

import atexit
import os
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.distributed as dist
from torch import Tensor, nn

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")        # what torchrun tells each process


class Processes:
    """One process, alone. The others do the same things together."""
    rank, world_size = 0, 1

    @property
    def is_main(self) -> bool:
        """Whether this process prints and writes files: one does."""
        return self.rank == 0

    def prepare(self, model: nn.Module) -> nn.Module:
        """What training calls, so that gradients become means over all processes. Once, before the optimizer is made."""
        return model

    def accumulating(self, module: nn.Module, last: bool) -> AbstractContextManager:
        """Around forward and backward of a micro-batch: processes talk about gradients after the last one only."""
        return nullcontext()

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, the same on each."""
        return tensor

    def same(self, what: str, number: int) -> None:
        """ValueError on every process unless `number` is the same on all; waits for all."""

    def clip(self, model: nn.Module, max_norm: float) -> Tensor:
        """Scale the gradients together down to a norm of at most `max_norm`; returns the whole model's norm before that."""
        norm = nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], max_norm)
        return norm.full_tensor() if hasattr(norm, "full_tensor") else norm

    def state(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
        """All numbers of both, as one process alone would have them, for the main one; the others must call, too."""
        return {"model": model.state_dict(), "optimizer": optimizer.state_dict()}

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer, state: dict) -> None:
        """Put back what `state` returned, or only its "model"; each process passes the same, however many had written it."""
        model.load_state_dict(state["model"])
        if "optimizer" in state:
            optimizer.load_state_dict(state["optimizer"])


class DataParallel(Processes):
    """The whole model in each process, other rows in each: torch's DistributedDataParallel (Li et al. 2020)."""

    def __init__(self, device: torch.device) -> None:
        self.rank, self.world_size, self.device = dist.get_rank(), dist.get_world_size(), device

    def prepare(self, model: nn.Module) -> nn.Module:
        return nn.parallel.DistributedDataParallel(model, device_ids=[self.device] if self.device.type == "cuda" else None)

    def accumulating(self, module: nn.Module, last: bool) -> AbstractContextManager:
        return nullcontext() if last else module.no_sync()

    def total(self, tensor: Tensor) -> Tensor:
        summed = tensor.detach().to(self.device, copy=True)
        dist.all_reduce(summed)
        return summed.to(tensor.device)

    def same(self, what: str, number: int) -> None:
        numbers = torch.zeros(self.world_size, dtype=torch.long, device=self.device)
        numbers[self.rank] = number
        dist.all_reduce(numbers)
        if len(numbers.unique()) > 1:
            raise ValueError(f"{what} is not the same in all processes, but {numbers.tolist()}: give each the same script, "
                             "arguments and text, and an output_dir on a disk that all of them see")


class Sharded(DataParallel):
    """Of every parameter, gradient and moment each process keeps one part, and borrows the others block by block: FSDP2."""

    def prepare(self, model: nn.Module) -> nn.Module:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FSDPModule, fully_shard
        if isinstance(model, FSDPModule):                              # by an earlier run
            return model
        if not all(p.requires_grad for p in model.parameters()):
            raise ValueError("fsdp shares out what is trained, and part of this model is frozen: leave fsdp off, the optimizer "
                             "of a few parameters is small")
        mesh = init_device_mesh(self.device.type, (self.world_size,))
        for block in model.h:
            fully_shard(block, mesh=mesh)
        return fully_shard(model, mesh=mesh)                           # in place: what no block has, wte, wpe and ln_f

    def accumulating(self, module: nn.Module, last: bool) -> AbstractContextManager:
        module.set_requires_gradient_sync(last)
        return nullcontext()

    def state(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
        def whole(state):
            if isinstance(state, dict):
                return {name: whole(part) for name, part in state.items()}
            if not hasattr(state, "full_tensor"):
                return state
            tensor = state.full_tensor()                               # all processes give their part
            return tensor.cpu() if self.is_main else None              # and one tensor at a time is whole in each
        collected = whole(super().state(model, optimizer))
        return collected if self.is_main else {"model": {}, "optimizer": {}}

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer, state: dict) -> None:
        from torch.distributed.tensor import distribute_tensor

        def part(like, value):                                         # the main process's value counts, the others' may be None
            whole = torch.empty(like.shape, dtype=like.dtype) if value is None else value
            return distribute_tensor(whole.to(self.device), like.device_mesh, like.placements)
        parts = {"model": {name: part(like, state["model"].get(name)) for name, like in model.state_dict().items()}}
        if "optimizer" in state:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            moments = {i: {name: part(parameters[i], value) if value.shape == parameters[i].shape else value     # a count
                           for name, value in of_one.items()} for i, of_one in state["optimizer"]["state"].items()}
            parts["optimizer"] = {**state["optimizer"], "state": moments}
        super().load(model, optimizer, parts)


def find_processes(model: nn.Module, fsdp: bool = False) -> Processes:
    """How this program was started: alone, or by torchrun as one process of several, which are then connected.

    fsdp: share the model out instead of the rows alone. Raises ValueError when two processes of a machine would use one GPU, and
    for fsdp in a single process that nobody else joins.
    """
    started = all(name in os.environ for name in VARIABLES) or dist.is_available() and dist.is_initialized()
    if not started:
        if fsdp:
            raise ValueError("fsdp shares a model out to several processes: start them with "
                             "`torchrun --nproc-per-node=2 script.py`, or leave fsdp off")
        return Processes()
    device = next(model.parameters()).device
    if device.type == "cuda" and device != own_device("cuda"):
        raise ValueError(f"process {os.environ['LOCAL_RANK']} of this machine has its model on {device}: each needs a GPU of its "
                         f"own, model.to({str(own_device('cuda'))!r})")
    if not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return (Sharded if fsdp else DataParallel)(device)


def own_device(kind: str) -> torch.device:
    """The device of that kind for this process: of several GPUs the one torchrun counts it to, else the only one."""
    return torch.device(kind, int(os.environ.get("LOCAL_RANK", 0))) if kind == "cuda" else torch.device(kind)
