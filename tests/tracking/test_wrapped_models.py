"""Checkpoints of wrapped models: saved with plain keys, and loaded into the plain and the wrapped model alike."""

from __future__ import annotations

import enum
import io
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import runfolio
from runfolio.errors import ConfigError
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import Checkpoint
from runfolio.record.checkpoints.wrappers import ModuleState

KEYS = ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"]


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))


def compiled(module: nn.Module) -> Any:
    return torch.compile(module, backend="eager")


def compiled_inside(module: nn.Sequential) -> nn.Module:
    module[0] = compiled(module[0])
    return module


def averaged_inside(module: nn.Sequential) -> nn.Module:
    module[1] = AveragedModel(compiled(module[1]))
    return module


WRAPPERS: dict[str, tuple[Callable[[Any], nn.Module], dict[str, list[str]]]] = {
    "compiled": (compiled, {"": ["OptimizedModule"]}),
    "data parallel": (nn.DataParallel, {"": ["DataParallel"]}),
    "averaged": (AveragedModel, {"": ["AveragedModel"]}),
    "compiled layer": (compiled_inside, {"0": ["OptimizedModule"]}),
    "averaged compiled layer": (averaged_inside, {"1": ["AveragedModel", "OptimizedModule"]}),
    "parallel compiled": (lambda module: nn.DataParallel(compiled(module)), {"": ["DataParallel", "OptimizedModule"]}),
}


def saved(store: Path, **state: Any) -> Checkpoint:
    with runfolio.init(store=store, strict=True) as run:
        run.checkpoint(**state)
        return run.restore()


def restored(checkpoint: Checkpoint, target: nn.Module) -> None:
    with runfolio.init(resume=checkpoint.folder) as run:
        run.restore(model=target)


def bare(module: nn.Module) -> list[torch.Tensor]:
    """Return parameters and buffers in order, without parameters and buffers of wrappers."""
    return [tensor for name, tensor in module.state_dict().items() if not name.endswith("n_averaged")]


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrapped_model_is_saved_plain_and_loads_either_way_round(store: Path, name: str):
    wrap, noted = WRAPPERS[name]
    model, loaded, rewrapped, from_plain = wrap(plain()), plain(), wrap(plain()), wrap(plain())

    checkpoint = saved(store, model=model)
    restored(checkpoint, loaded)
    restored(checkpoint, rewrapped)
    restored(saved(store, model=loaded), from_plain)

    assert sorted(checkpoint.tensors()) == sorted(KEYS)
    assert checkpoint.wrappers() == noted
    for target in (loaded, rewrapped, from_plain):
        assert all(map(torch.equal, bare(target), bare(model)))
    first_run = runfolio.open(store).runs()[-1]
    assert all(map(torch.equal, bare(first_run.load_model(plain)), bare(loaded)))


def test_average_continues_counting(store: Path):
    model = AveragedModel(plain())
    for _ in range(3):
        model.update_parameters(plain())
    target = AveragedModel(plain())

    restored(saved(store, model=model), target)

    assert target.n_averaged.item() == 3


def test_layer_called_module_keeps_its_name(store: Path):
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(2, 1)

    checkpoint = saved(store, model=nn.DataParallel(Net()))
    assert sorted(checkpoint.tensors()) == ["module.bias", "module.weight"]
    restored(checkpoint, Net())


@pytest.mark.parametrize("wrap", [compiled, nn.DataParallel])
def test_model_saved_as_state_dict_loads(store: Path, wrap: Callable[[Any], nn.Module]):
    model = plain()
    saved(store, model=wrap(model).state_dict())
    loaded = runfolio.open(store).runs()[0].load_model(plain())
    assert torch.equal(loaded.state_dict()["0.weight"], model.state_dict()["0.weight"])


def test_prefixed_checkpoint_of_an_earlier_version_loads(tmp_path: Path, store: Path):
    model = AveragedModel(compiled(plain()))
    with runfolio.init(store=store) as run:
        run.checkpoint(step=1)
    about = {"step": 1, "metric": None, "attempt": 1, "position": {}, "position_us": 1, "loader": None, "meta": {}}
    snapshot = manifests.Snapshot.capture({"model": ModuleState(dict(model.state_dict()), {}, [])}, {})
    manifests.save(run.folder, ["last"], "w-1", snapshot.copy(), about)
    checkpoint = manifests.read(run.folder)
    targets = [plain(), compiled(plain()), AveragedModel(plain())]

    for target in targets:
        restored(checkpoint, target)

    assert "module._orig_mod.0.weight" in checkpoint.tensors()
    assert all(torch.equal(bare(target)[0], bare(model)[0]) for target in targets)


def test_error_names_the_prefix_in_which_all_keys_differ(store: Path):
    model = plain()
    holder = nn.ModuleDict({"net": model})
    with pytest.raises(ConfigError, match=r"the saved keys start with 'net\.', but the keys of the module do not"):
        restored(saved(store, model=holder), plain())
    with pytest.raises(
        ConfigError, match=r"keys of the module start with 'net\.', .* load the checkpoint into `module\.net`"
    ):
        restored(saved(store, model=model), holder)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def ddp(module: nn.Module) -> nn.Module:
    return nn.parallel.DistributedDataParallel(module)


def fsdp1(module: nn.Module) -> nn.Module:
    from torch.distributed.fsdp import FullyShardedDataParallel

    return FullyShardedDataParallel(module, device_id=torch.device("cpu"))


def fsdp2(module: Any) -> nn.Module:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (1,))
    fully_shard(module[0], mesh=mesh)
    return fully_shard(module, mesh=mesh)


@pytest.mark.parametrize(
    ("wrap", "noted"),
    [
        (ddp, {"": ["DistributedDataParallel"]}),
        (lambda module: ddp(compiled(module)), {"": ["DistributedDataParallel", "OptimizedModule"]}),
        (fsdp1, {"": ["FullyShardedDataParallel"]}),
        (fsdp2, {"": ["FSDPModule"], "0": ["FSDPModule"]}),
    ],
    ids=["ddp", "ddp of compiled", "fsdp1", "fsdp2"],
)
@pytest.mark.usefixtures("process_group")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
def test_distributed_model_and_optimizer_are_saved_unsharded(store: Path, wrap: Any, noted: dict):
    model, loaded, target = wrap(plain()), plain(), wrap(plain())
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(8, 4)).sum().backward()
    optimizer.step()

    checkpoint = saved(store, model=model, optimizer=optimizer)
    restored(checkpoint, loaded)
    new_optimizer = torch.optim.AdamW(target.parameters())
    with runfolio.init(resume=checkpoint.folder) as run:
        run.restore(model=target, optimizer=new_optimizer)
    images = torch.randn(8, 4)
    for trained, its_optimizer in ((model, optimizer), (target, new_optimizer)):
        its_optimizer.zero_grad()
        trained(images).sum().backward()
        its_optimizer.step()

    assert sorted(checkpoint.tensors()) == sorted(KEYS)
    assert checkpoint.wrappers() == noted
    first, second = saved(store, model=model).tensors(), saved(store, model=target).tensors()
    assert all(torch.equal(first[key], second[key]) for key in KEYS)
    assert torch.equal(bare(loaded)[0], checkpoint.tensors()["0.weight"])


def test_lazy_module_is_refused_until_it_has_values(store: Path):
    model = nn.Sequential(nn.LazyLinear(2))
    with runfolio.init(store=store, strict=True) as run:
        with pytest.raises(ConfigError, match=r"entry 0\.weight has no values yet .* run the model on a batch before"):
            run.checkpoint(model=model)
        model(torch.zeros(1, 3))
        run.checkpoint(model=model)
        fresh = nn.Sequential(nn.LazyLinear(2))
        run.restore(model=fresh)
    assert all(map(torch.equal, bare(fresh), bare(model)))


class Counting(nn.Module):
    def __init__(self, extra: Any = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.extra = extra

    def get_extra_state(self) -> Any:
        return self.extra

    def set_extra_state(self, state: Any) -> None:
        self.extra = state


@pytest.mark.parametrize("extra", [{"calls": 3, "scale": torch.ones(2)}, torch.ones(3), 5, None])
def test_extra_state_of_a_layer_is_restored(store: Path, extra: Any):
    target = nn.Sequential(Counting())
    checkpoint = saved(store, model=compiled(nn.Sequential(Counting(extra))))
    restored(checkpoint, target)
    assert repr(target[0].extra) == repr(extra)


def test_extra_state_that_cannot_be_stored_is_refused_by_name(store: Path):
    with pytest.raises(ConfigError, match=r"entry extra_state/model/0\._extra_state is a BytesIO"):
        saved(store, model=nn.Sequential(Counting(io.BytesIO())))
    with pytest.raises(ConfigError, match=r"entry extra_state/model/0\._extra_state is a Mode.* save .*\.value"):
        saved(store, model=nn.Sequential(Counting(Mode.MAX)))
    with pytest.raises(ConfigError, match="'extra_state' is saved automatically"):
        saved(store, extra_state=3)


class Mode(str, enum.Enum):  # noqa: UP042 - as people write them
    MIN = "min"
    MAX = "max"


class Best(NamedTuple):
    step: int
    value: float


class Stopper:
    """User object whose state has types of the user."""

    def __init__(self, mode: Any = Mode.MIN, best: Any = Best(0, 0.0)) -> None:  # noqa: B008
        self.mode, self.best = mode, best

    def state_dict(self) -> dict[str, Any]:
        return vars(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def test_types_of_the_user_are_restored_as_those_of_the_target(store: Path, caplog: pytest.LogCaptureFixture):
    checkpoint = saved(store, stopper=Stopper(Mode.MAX, Best(3, 0.5)))
    stopper, untyped = Stopper(), Stopper(None, None)
    with runfolio.init(resume=checkpoint.folder) as run:
        run.restore(stopper=stopper)
        assert not caplog.records
        run.restore(stopper=untyped)
    assert (stopper.mode, stopper.best, type(stopper.best)) == (Mode.MAX, Best(3, 0.5), Best)
    assert (untyped.mode, untyped.best, type(untyped.mode)) == ("max", (3, 0.5), str)
    assert (
        "the state of stopper has no values of type Best, Mode, so these values are loaded as plain values"
        in caplog.text
    )
    assert checkpoint.state["stopper"] == {"mode": "max", "best": (3, 0.5)}


def test_types_of_the_user_are_found_in_deques_and_sets(store: Path):
    checkpoint = saved(store, stopper=Stopper({Mode.MAX}, deque([Best(3, 0.5)], 2)))
    stopper = Stopper({Mode.MIN}, deque([Best(0, 0.0)]))
    with runfolio.init(resume=checkpoint.folder) as run:
        run.restore(stopper=stopper)
    assert repr((stopper.mode, stopper.best)) == repr(({Mode.MAX}, deque([Best(3, 0.5)], 2)))


def test_restore_calls_no_state_dict_without_need(store: Path):
    stopper = Stopper("max", 3)
    checkpoint = saved(store, stopper=stopper)
    stopper.state_dict = None  # type: ignore[method-assign, assignment]
    with runfolio.init(resume=checkpoint.folder) as run:
        run.restore(stopper=stopper)
    assert (stopper.mode, stopper.best) == ("max", 3)


def test_schedule_after_a_warm_up_continues_exactly(store: Path):
    schedulers = torch.optim.lr_scheduler

    def fresh() -> tuple[torch.optim.Optimizer, Any]:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
        parts: list[Any] = [schedulers.LinearLR(optimizer, 0.1, 1.0, 4), schedulers.MultiStepLR(optimizer, [3, 6])]
        return optimizer, schedulers.SequentialLR(optimizer, parts, milestones=[4])

    def rates(optimizer: torch.optim.Optimizer, schedule: Any, steps: int) -> list[float]:
        collected: list[float] = []
        for _ in range(steps):
            optimizer.step()
            schedule.step()
            collected.append(optimizer.param_groups[0]["lr"])
        return collected

    whole = rates(*fresh(), 12)
    optimizer, schedule = fresh()
    first = rates(optimizer, schedule, 2)
    checkpoint = saved(store, optimizer=optimizer, schedule=schedule)
    optimizer, schedule = fresh()
    with runfolio.init(resume=checkpoint.folder) as run:
        run.restore(optimizer=optimizer, schedule=schedule)
    assert first + rates(optimizer, schedule, 10) == whole


def test_config_of_the_run_can_be_saved(store: Path):
    with runfolio.init(store=store, config={"net": {"lr": 0.1}}) as run:
        run.checkpoint(config=run.config)
        assert run.restore().state["config"] == {"net": {"lr": 0.1}}
