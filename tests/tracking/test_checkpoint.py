"""Checkpoints and resuming in a user's own training loop."""

from __future__ import annotations

import math
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import runfolio
from runfolio import CheckpointPolicy
from runfolio.errors import ConfigError, DamagedFile, NotFound, StoreError
from runfolio.record.base.run_document import RunDocument
from runfolio.record.checkpoints import manifests
from runfolio.record.points.reader import PointFiles
from runfolio.tracking.checkpointing import random_states


def test_best_checkpoint_is_kept_in_addition_to_the_last(store: Path):
    model = torch.nn.Linear(2, 1)
    with runfolio.init(store=store) as run:
        verdicts = []
        for step, acc in enumerate([0.5, math.nan, 0.8, 0.7]):
            torch.nn.init.constant_(model.weight, step)
            verdicts.append(run.checkpoint(model=model, step=step, metric=acc))
        assert verdicts == [True, False, True, False]
        assert (run.restore("best").step, run.restore("last").step) == (2, 3)
        assert run.restore("best").tensors("model")["weight"].tolist() == [[2.0, 2.0]]
        assert run.restore("last").tensors("model")["weight"].tolist() == [[3.0, 3.0]]


def test_lower_metric_can_be_better(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store) as run:
        assert [run.checkpoint(step=n, metric=loss, mode="min") for n, loss in enumerate([2.0, 1.0, 3.0])] == [
            True,
            True,
            False,
        ]
        assert not run.checkpoint(metric=0.5, mode="most")  # type: ignore[arg-type]
    assert "mode is 'most'; it must be max or min" in caplog.text


def test_step_far_behind_the_logged_steps_is_reported_once(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store) as run:
        for epoch in range(3):
            for _ in range(50):
                run.log({"loss": 0.1})
            run.flush()
            run.checkpoint(step=epoch)
    assert caplog.text.count("its curves jump back to step 0") == 1
    assert "checkpoint(step=0), but the last logged step is 49" in caplog.text


@pytest.mark.parametrize("logged", [4, 5, 10, 12])
def test_step_near_the_logged_steps_is_not_reported(store: Path, caplog: pytest.LogCaptureFixture, logged: int):
    with runfolio.init(store=store) as run:
        run.log({"loss": 0.1}, step=logged)
        run.flush()
        run.checkpoint(step=5)
    assert "jump back" not in caplog.text


def test_optimizers_counters_and_generators_are_restored(store: Path):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    with runfolio.init(store=store) as run:
        run.checkpoint(model=model, optimizer=optimizer, epoch=3, rng=torch.get_rng_state(), names=["a", "b"], step=30)
        state = run.restore().state
    assert state["epoch"] == 3
    assert state["names"] == ["a", "b"]
    assert state["rng"].equal(torch.get_rng_state())
    assert state["optimizer"]["state"][0]["momentum_buffer"].equal(
        optimizer.state_dict()["state"][0]["momentum_buffer"]
    )


def test_restore_fills_the_saved_objects_and_random_generators(store: Path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    model(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    scheduler.step()
    drawn = random.random, np.random.rand, lambda: torch.rand(1).item()
    with runfolio.init(store=store) as run:
        run.checkpoint(model=model, optimizer=optimizer, scheduler=scheduler, step=1)
        expected = [draw() for draw in drawn]
        saved = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        torch.nn.init.zeros_(model[0].weight)  # type: ignore[arg-type] - a Linear's
        optimizer.state.clear()
        scheduler.step()

        run.restore()
        assert [draw() for draw in drawn] != expected
        restored = run.restore(model=model, optimizer=optimizer, scheduler=scheduler)

    assert [draw() for draw in drawn] == expected
    assert restored.step == 1
    assert all(torch.equal(tensor, saved[key]) for key, tensor in model.state_dict().items())
    assert len(optimizer.state) == 4
    assert scheduler.last_epoch == 1


def test_mismatched_state_is_named_and_nothing_is_changed(store: Path, caplog: pytest.LogCaptureFixture):
    model, other = torch.nn.Linear(2, 1), torch.nn.Linear(3, 1)
    torch.nn.init.zeros_(other.weight)
    with runfolio.init(store=store) as run:
        run.checkpoint(model=model, optimizer=torch.optim.SGD(model.parameters(), lr=1), count=3)
        with pytest.raises(
            ConfigError, match=r"does not fit model: of a different shape: weight \(1x2 instead of 1x3\)"
        ):
            run.restore(model=other)
        with pytest.raises(
            ConfigError, match=r"keys of the module start with '0\.', .* load the checkpoint into `module\.0`"
        ):
            run.restore(model=torch.nn.Sequential(model))
        with pytest.raises(NotFound, match=r"has no 'scheduler'; known: count, model, optimizer"):
            run.restore(scheduler=torch.optim.SGD(model.parameters(), lr=1))
        with pytest.raises(ConfigError, match="count is a int, which has no load_state_dict"):
            run.restore(count=3)
        with pytest.raises(ConfigError, match=r"does not fit optimizer: .*parameter group"):
            run.restore(optimizer=torch.optim.SGD([other.weight, *model.parameters()], lr=1))
        run.checkpoint(generators={})
    assert "'generators' is saved automatically" in caplog.text
    assert other.weight.sum().item() == 0


def test_policy_decides_which_calls_save(store: Path):
    policy = CheckpointPolicy(every_steps=10, keep_every=20)
    with runfolio.init(store=store, checkpoints=policy) as run:
        saved = [saved_by(run, step) for step in range(1, 46)]
        assert [step for step in saved if step] == [10, 20, 30, 40]
        assert run.checkpoint(step=46, metric=1.0) is True
        assert run.restore().step == 46
    with runfolio.init(resume=run.folder, checkpoints=policy) as run:
        saved = [saved_by(run, step) for step in range(47, 62)]
        assert [step for step in saved if step] == [50, 60]
        assert [run.restore(f"step-{step}").step for step in (20, 40, 60)] == [20, 40, 60]


def test_restarted_steps_are_saved_too(store: Path):
    policy = CheckpointPolicy(every_steps=10, keep_every=20)
    with runfolio.init(store=store, checkpoints=policy) as run:
        epochs = [[saved_by(run, step) for step in range(1, 26)] for _ in range(2)]
        assert [[step for step in epoch if step] for epoch in epochs] == [[10, 20], [10, 20]]
        assert saved_by(run, 1000) == 1000
        back = [saved_by(run, step) for step in range(5, 31)]
        assert [step for step in back if step] == [10, 20, 30]


def test_resumed_run_continues_counting_calls_without_steps(store: Path):
    policy = CheckpointPolicy(keep_every=2)
    with runfolio.init(store=store, checkpoints=policy) as run:
        for count in range(5):
            run.checkpoint(count=count)
    with runfolio.init(resume=run.folder, checkpoints=policy) as run:
        for count in range(5, 8):
            run.checkpoint(count=count)
        run.restore()
        names = [name for name in manifests.names(run.folder) if name.startswith("step-")]
        assert [(name, run.restore(name).state["count"]) for name in names] == [
            ("step-2", 1),
            ("step-4", 3),
            ("step-6", 6),
        ]


def saved_by(run: runfolio.Run, step: int) -> int | None:
    """Return the step if a call at that step saves."""
    run.checkpoint(step=step)
    try:
        return step if run.restore().step == step else None
    except NotFound:
        return None


def test_call_that_is_not_due_reads_no_state(store: Path):
    class Costly:
        taken = 0

        def state_dict(self) -> dict[str, int]:
            self.taken += 1
            return {}

    costly = Costly()
    with runfolio.init(store=store, checkpoints=CheckpointPolicy(every_minutes=1000, every_steps=50)) as run:
        for _ in range(120):
            run.checkpoint(costly=costly)  # without steps, calls are counted
    assert costly.taken == 2


@pytest.mark.parametrize(
    "wrong", [{"every_steps": 0}, {"keep_best": 0}, {"budget_mb": -1}, {"every_minutes": math.nan}]
)
def test_invalid_policy_is_refused(wrong: dict):
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is .*; it must be"):
        CheckpointPolicy(**wrong)


def test_process_without_torch_saves_and_restores_its_generators(store: Path, fresh_python):
    script = """
import random, sys, runfolio
class Counter:
    def state_dict(self): return {"count": 3}
    def load_state_dict(self, state): self.count = state["count"]
with runfolio.init(store=sys.argv[1], recording=runfolio.RecordingConfig(console=False)) as run:
    counter = Counter()
    run.checkpoint(counter=counter)
    expected = random.random()
    run.restore(counter=counter)
    assert (random.random(), counter.count) == (expected, 3)
print({"torch", "numpy"} & set(sys.modules))
"""
    assert fresh_python(script, store).stdout == "set()\n"


def test_failed_checkpoint_is_reported_and_the_previous_one_stays_intact(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store) as run:
        run.checkpoint(w=torch.ones(2), step=1, metric=0.5)
        run.restore()
        (run.folder / "checkpoints").rename(run.folder / "saved")
        (run.folder / "checkpoints").write_text("in the way")
        assert run.checkpoint(w=torch.zeros(2), step=2, metric=1.0)
        with pytest.raises((StoreError, NotFound, DamagedFile)):
            run.restore()
        assert "checkpoint at step 2 was not saved (" in caplog.text
        (run.folder / "checkpoints").unlink()
        (run.folder / "saved").rename(run.folder / "checkpoints")
        assert run.restore().step == 1
        assert run.restore().state["w"].tolist() == [1.0, 1.0]
        assert run.checkpoint(w=torch.zeros(2), step=3, metric=0.7)  # better than the saved best
        assert run.restore("best").step == 3


def test_run_killed_after_its_checkpoint_resumes_with_one_clean_curve(store: Path, python):
    script = """
import os, sys, runfolio
run = runfolio.init("net", store=sys.argv[1])
for step in range(12):
    run.log({"loss": float(step)}, step=step)
    if step == 7:
        run.checkpoint(step=step, done=step)
run.flush()
run.restore()  # waits for pending checkpoints
print(run.folder)
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""
    folder = Path(python(script, store).stdout.strip())

    run = runfolio.init(resume=folder)
    start = run.restore().state["done"] + 1
    for step in range(start, 15):
        run.log({"loss": 100.0 + step})
    run.finish()

    files = PointFiles(folder)
    assert files.read("loss").steps.tolist() == list(range(15))
    assert files.read("loss").values.tolist() == [*range(8), *range(108, 115)]
    assert len(files.read("loss", branch="all")) == 12 + 7
    document = RunDocument.read(folder)
    assert [(entry.attempt, entry.parent) for entry in document.attempts] == [(1, None), (2, 1)]
    assert document.status.state == "finished"


def test_run_can_be_resumed_after_its_last_point(store: Path):
    with runfolio.init("net", store=store, config={"lr": 1, "epochs": 2}) as first:
        first.log({"loss": 1.0}, step=4)
    with runfolio.resume(first.id, store=store, checkpoint=None, config={"epochs": 3}) as second:
        second.log({"loss": 2.0})
    assert second.folder == first.folder
    assert PointFiles(first.folder).read("loss").steps.tolist() == [4, 5]
    assert RunDocument.read(first.folder).config == {"lr": 1, "epochs": 3}


def test_resume_after_last_point_keeps_abandoned_points_abandoned(store: Path):
    with runfolio.init(store=store) as first:
        first.log({"loss": 0.0})
        first.checkpoint(step=0, w=torch.zeros(1))
        first.log({"loss": 1.0})
        first.log_text("note", "abandoned")
    with runfolio.init(store=store, resume=first.id) as second:
        second.log({"loss": 2.0})
        second.log_text("note", "kept")
    with runfolio.resume(first.id, store=store, checkpoint=None) as third:
        third.log({"loss": 3.0})
    points = PointFiles(first.folder).read("loss")
    assert points.values.tolist() == [0.0, 2.0, 3.0]
    assert points.steps.tolist() == [0, 1, 2]
    assert RunDocument.read(first.folder).attempts[-1].kept == {first.recorder.writer: 1, second.recorder.writer: 2}


def test_resumed_run_keeps_spooled_points(store: Path, python, cache: Path):
    script = """
import os, sys, time, runfolio
from pathlib import Path
recording = runfolio.RecordingConfig(flush_s=0.02, heartbeat_s=0.05, patience_s=0.05, system_s=0)
run = runfolio.init("net", store=sys.argv[1], recording=recording)
run.log({"loss": 0.0})
assert run.flush()
run.folder.rename(sys.argv[2])
while run.recorder.store_writer.unavailable_s < 0.1: time.sleep(0.01)
for n in range(1, 100): run.log({"loss": float(n)})
def spooled(): return sum(path.read_bytes().count(b"\\n") - 1 for path in Path(sys.argv[3]).glob("spool/*/metrics/*"))
while spooled() < 99: time.sleep(0.01)
print(run.folder, flush=True)
os._exit(9)
"""
    away = store / "away"
    folder = Path(python(script, store, away, cache).stdout.strip())
    away.rename(folder)
    with runfolio.resume(folder, store=store, checkpoint=None) as run:
        run.log({"loss": 100.0})
    points = PointFiles(folder).read("loss")
    assert points.values.tolist() == [float(n) for n in range(101)]
    assert points.steps.tolist() == list(range(101))
    assert list(cache.glob("spool/*")) == []


def test_run_that_cannot_be_resumed_is_explained(store: Path):
    with pytest.raises(NotFound, match=r"no run 'nowhere' in"):
        runfolio.init(store=store, resume="nowhere")
    in_use = r"run \w+ is being written by process \d+ on .*\. Stop that process first"
    with runfolio.init("net", store=store) as run, pytest.raises(StoreError, match=in_use):
        runfolio.init(resume=run.folder)
    with pytest.raises(NotFound, match=r"no checkpoint 'last' .*; it has none"):
        runfolio.init(resume=run.folder)


def test_infinite_first_loss_is_worse_than_any_other(store: Path):
    with runfolio.init(store=store) as run:
        assert [run.checkpoint(metric=loss, mode="min") for loss in (math.inf, 1.0, 2.0)] == [True, True, False]


def test_steps_and_metrics_of_numpy_and_torch_are_accepted(store: Path):
    with runfolio.init(store=store, strict=True) as run:
        assert run.checkpoint(step=np.int64(3), metric=torch.tensor([0.5]))  # type: ignore[arg-type] - a number all the same
        assert (run.restore().step, run.restore().metric) == (3, 0.5)
        with pytest.raises(ConfigError, match="the checkpoint's metric is not one number but Tensor of shape"):
            run.checkpoint(metric=torch.zeros(2))
        with pytest.raises(ConfigError, match="step 'three' is not an integer"):
            run.checkpoint(step="three")  # type: ignore[arg-type]


def test_state_is_saved_without_invalid_details(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store) as run:
        assert not run.checkpoint(step="three", metric=torch.zeros(2), meta=3, count=7)  # type: ignore[arg-type]
        checkpoint = run.restore()
        assert (checkpoint.step, checkpoint.metric, checkpoint.meta) == (None, None, {})
    assert "step 'three' is not an integer" in caplog.text
    assert "the checkpoint's metric is not one number but Tensor of shape (2,)" in caplog.text
    assert RunDocument.read(run.folder).refused == {"(checkpoint metadata)": 3}


def test_forked_child_saves_no_checkpoint(store: Path, python):
    script = """
import os, sys, runfolio
with runfolio.init("net", store=sys.argv[1]) as run:
    run.checkpoint(who="parent")
    if os.fork() == 0:
        os._exit(run.checkpoint(who="child"))
    os.wait()
    print(run.restore().state["who"])
"""
    done = python(script, store)
    assert done.stdout == "parent\n"
    assert "checkpoints are recorded only from the primary process" in done.stderr


def test_run_without_attempts_can_be_resumed(store: Path):
    with runfolio.init("net", store=store) as run:
        run.checkpoint(step=1)
    document = RunDocument.read(run.folder)
    document.attempts = []
    document.write(run.folder)
    shutil.rmtree(run.folder / "claims")
    runfolio.init(resume=run.folder).finish()
    assert [entry.attempt for entry in RunDocument.read(run.folder).attempts] == [1]


def test_generators_of_missing_gpus_are_reported(caplog: pytest.LogCaptureFixture):
    random_states.restore({**random_states.capture_states(), "cuda": [torch.zeros(16, dtype=torch.uint8)] * 99})
    assert "has the random generators of 99 GPUs, but this machine has" in caplog.text
