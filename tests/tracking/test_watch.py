"""`run.watch` records the values that the optimizer receives, does not change training, and names the origin of NaN."""

from __future__ import annotations

import copy
import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

import runfolio
from runfolio.errors import ConfigError
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content import media
from runfolio.tracking.monitors.tensor_statistics import _count_on_device, count_values, histogram_of, norms
from runfolio.tracking.monitors.weight_updates import WeightUpdate
from runfolio.tracking.pipeline.media_content import histogram


@pytest.fixture
def run(store: Path) -> Iterator[runfolio.Run]:
    with runfolio.init("net", store=store) as run:
        yield run


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = {"conv": nn.Conv2d(1, 3, 3), "norm": nn.BatchNorm2d(3), "relu": nn.ReLU(), "flat": nn.Flatten()}
    return nn.Sequential(OrderedDict(**layers, head=nn.Linear(108, 2)))


def batch(seed: int, size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, 1, 8, 8, generator=generator), torch.randint(2, (size,), generator=generator)


def train(model: nn.Module, steps: int, *, lr: float = 0.1, forward: Callable | None = None) -> list[float]:
    """Train with plain SGD; return the gradient norm before each step, computed by hand."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    seen = []
    for step in range(steps):
        images, labels = batch(step)
        optimizer.zero_grad()
        nn.functional.cross_entropy((forward or model)(images), labels).backward()
        seen.append(total_norm(model))
        optimizer.step()
    return seen


def total_norm(model: nn.Module) -> float:
    squares = [parameter.grad.double().square().sum() for parameter in model.parameters() if parameter.grad is not None]
    return float(torch.stack(squares).sum().sqrt())


def curve(run: runfolio.Run, metric: str) -> dict[int, float]:
    run.flush()
    points = runfolio.open(run.folder.parents[1]).run(run.id).metric(metric)
    return dict(zip(points.steps.tolist(), points.values.tolist(), strict=True))


def names(run: runfolio.Run) -> set[str]:
    run.flush()
    return set(runfolio.open(run.folder.parents[1]).run(run.id).metrics)


def trouble(run: runfolio.Run) -> str | None:
    run.flush()
    return RunDocument.read(run.folder).status.trouble


class TestWhatIsRecorded:
    def test_norms_of_gradients_and_weights_at_every_nth_step(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=3)
        norm_at = train(model, 7)

        assert curve(run, "grad_norm") == pytest.approx({step: norm_at[step] for step in (0, 3, 6)})
        parameters = [name for name, _ in model.named_parameters()]
        assert names(run) == {
            *("grad_norm", "weight_norm", "update_ratio", "dead_units", "dead_units/relu"),
            *(f"{metric}/{name}" for metric in ("grad_norm", "weight_norm", "update_ratio") for name in parameters),
        }

    def test_weights_are_those_before_the_step(self, run: runfolio.Run):
        model = network()
        before = float(model.head.weight.detach().norm())  # type: ignore[union-attr]
        run.watch(model, every=1)
        train(model, 1)
        assert curve(run, "weight_norm/head.weight") == pytest.approx({0: before})

    def test_histograms_count_every_number(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=1)
        train(model, 2)
        run.flush()
        entries, problems = media.read(run.folder)
        assert problems == []
        assert {entry.name for entry in entries} == {
            f"{kind}/{name}" for kind in ("grad", "weight") for name, _ in model.named_parameters()
        }
        counts = [sum(entry.content["counts"]) for entry in entries if entry.name == "weight/head.weight"]
        assert counts == [216, 216]

    def test_watch_records_only_the_requested_values(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=1, log="gradients", histograms=False)
        train(model, 1)
        assert all(name.startswith("grad_norm") for name in names(run))
        assert media.read(run.folder)[0] == []

    def test_resumed_training_continues_its_count(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=10, step=95)
        train(model, 10)
        assert list(curve(run, "grad_norm")) == [100]

    def test_automatic_steps_of_a_script_are_not_affected(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=1, step=500)
        for _ in range(3):
            train(model, 1)
            run.log({"mine": 1.0})
        assert list(curve(run, "mine")) == [0, 1, 2]

    def test_model_can_be_watched_again_and_unwatched(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=1)
        run.watch(model, every=2)
        train(model, 3)
        run.unwatch(model)
        run.unwatch(model)
        train(model, 3)
        assert list(curve(run, "grad_norm")) == [0, 2]

    def test_hooks_are_removed_at_the_end_of_the_run(self, store: Path):
        import torch.optim.optimizer as optimizer

        hooks = len(optimizer._global_optimizer_pre_hooks) + len(optimizer._global_optimizer_post_hooks)
        model = network()
        with runfolio.init(store=store) as run:
            run.watch(model)
            train(model, 1)
        assert len(optimizer._global_optimizer_pre_hooks) + len(optimizer._global_optimizer_post_hooks) == hooks
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"model": "net"}, "a model must be a torch.nn.Module, not str"),
            ({"model": nn.Linear(1, 1), "every": 0}, "every is 0"),
            ({"model": nn.Linear(1, 1), "log": "grads"}, "did you mean gradients"),
        ],
    )
    def test_invalid_arguments_are_reported(self, run: runfolio.Run, given: dict[str, Any], message: str, caplog):
        run.watch(**given)
        run.flush()
        assert message in caplog.text


class TestUpdateRatios:
    def test_ratio_is_the_change_of_one_step_over_the_weights(self, run: runfolio.Run):
        model = network()
        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        run.watch(model, every=1)
        train(model, 1)

        changes = {name: value.detach() - before[name] for name, value in model.named_parameters()}
        assert curve(run, "update_ratio/head.weight")[0] == pytest.approx(
            float(changes["head.weight"].norm() / before["head.weight"].norm()), rel=1e-5
        )
        change, size = (torch.cat([value.flatten() for value in part.values()]).norm() for part in (changes, before))
        assert curve(run, "update_ratio")[0] == pytest.approx(float(change / size), rel=1e-5)

    def test_ratios_have_the_steps_of_the_norms(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=3, log="weights", histograms=False)
        train(model, 7)
        assert list(curve(run, "update_ratio")) == list(curve(run, "weight_norm")) == [0, 3, 6]
        assert not any(name.startswith(("grad_norm", "dead_units")) for name in names(run))

    def test_unchanged_weights_have_ratio_0_and_zero_weights_infinity(self, run: runfolio.Run):
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        model[0].requires_grad_(False)
        nn.init.zeros_(model[1].bias)  # type: ignore[arg-type]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run.watch(model, every=1)
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        assert curve(run, "update_ratio/0.weight") == {0: 0.0}
        assert curve(run, "update_ratio/1.bias") == {0: math.inf}

    @pytest.mark.parametrize("shape", [(3_000, 300), (1, 900_000), (900_000,)])
    def test_ratio_of_a_large_tensor_is_close_to_the_exact_one(self, shape: tuple[int, ...]):
        weight, change = torch.randn(shape), 0.001 * torch.randn(shape)
        update = WeightUpdate([weight, torch.ones(5)])
        weight += change
        large, small, total = update.ratios().tolist()
        assert large == pytest.approx(float(change.norm() / (weight - change).norm()), rel=0.01)
        assert small == 0
        assert total == pytest.approx(large, rel=0.01)


class TestDeadUnits:
    def test_share_of_channels_that_are_zero_for_the_whole_batch(self, run: runfolio.Run):
        model = network()
        nn.init.constant_(model.norm.bias, 1.0)  # type: ignore[union-attr, arg-type]
        with torch.no_grad():
            model.norm.bias[1] = -100.0  # type: ignore[union-attr, index]
        run.watch(model, every=1)
        train(model, 1)
        assert curve(run, "dead_units/relu") == curve(run, "dead_units") == {0: pytest.approx(1 / 3)}

    def test_feature_after_a_linear_layer_is_the_last_dimension(self, run: runfolio.Run):
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 1))
        nn.init.constant_(model[0].bias, 10.0)  # type: ignore[arg-type]
        with torch.no_grad():
            model[0].bias[:2] = -100.0  # type: ignore[index]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run.watch(model, every=1)
        model(torch.randn(3, 5, 4)).sum().backward()
        optimizer.step()
        assert curve(run, "dead_units/1") == {0: 0.25}

    def test_unit_that_lives_in_one_accumulated_batch_is_not_dead(self, run: runfolio.Run):
        model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU())
        nn.init.ones_(model[0].weight)  # type: ignore[arg-type]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        run.watch(model, every=1)
        for batches in ([-1.0, 1.0], [-1.0, -1.0]):
            for number in batches:
                model(torch.tensor([[number]])).sum().backward()
            optimizer.step()
        assert curve(run, "dead_units") == {0: 0.0, 1: 1.0}

    def test_evaluation_does_not_count(self, run: runfolio.Run):
        model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU())
        nn.init.ones_(model[0].weight)  # type: ignore[arg-type]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        run.watch(model, every=1)
        model(-torch.ones(1, 1)).sum().backward()
        model.eval()(torch.ones(1, 1))
        optimizer.step()
        assert curve(run, "dead_units") == {0: 1.0}


class TestEveryWayToTrain:
    """The recorded values are the values that the optimizer receives."""

    def test_accumulated_gradients_are_recorded_once(self, run: runfolio.Run):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run.watch(model, every=1)
        expected = {}
        for step in range(3):
            optimizer.zero_grad()
            for part in range(4):
                images, labels = batch(4 * step + part)
                (nn.functional.cross_entropy(model(images), labels) / 4).backward()
            expected[step] = total_norm(model)
            optimizer.step()
        assert curve(run, "grad_norm") == pytest.approx(expected)

    def test_bfloat16_autocast_and_bfloat16_weights_are_watched(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            train(model, 2)
        model.bfloat16()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        images, labels = batch(0)
        nn.functional.cross_entropy(model(images.bfloat16()), labels).backward()
        expected = total_norm(model)
        optimizer.step()
        norm_at = curve(run, "grad_norm")  # the second optimizer continues where the first one ended
        assert list(norm_at) == [0, 1, 2]
        assert norm_at[2] == pytest.approx(expected, rel=1e-3)

    @pytest.mark.parametrize("fused", [False, True])
    def test_scaled_gradients_are_unscaled_and_skipped_steps_do_not_count(self, run: runfolio.Run, fused: bool):
        model = network()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        run.watch(model, every=1)
        plain = []
        for step in range(4):
            images, labels = batch(step)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            reference = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
            loss = loss * math.inf if step == 1 else loss
            scaler.scale(loss).backward()
            before = copy.deepcopy(model.state_dict())
            scaler.step(optimizer)
            scaler.update()
            if any((before[name] != value).any() for name, value in model.named_parameters()):
                plain.append(float(torch.stack([gradient.norm() for gradient in reference]).norm()))
        assert curve(run, "grad_norm") == pytest.approx(dict(enumerate(plain)), rel=1e-4)
        assert len(plain) == 3
        assert trouble(run) is None

    @pytest.mark.parametrize("backend", ["eager", "aot_eager"])
    def test_compiled_model_is_watched(self, run: runfolio.Run, backend: str):
        model = network()
        compiled = torch.compile(model, backend=backend, fullgraph=True)
        run.watch(compiled, every=1)  # type: ignore[arg-type] - it is a module
        norm_at = train(model, 2, forward=compiled)
        assert curve(run, "grad_norm") == pytest.approx(dict(enumerate(norm_at)))
        assert "grad_norm/head.weight" in names(run)

    def test_several_optimizers_count_their_own_steps(self, run: runfolio.Run):
        model = network()
        first = torch.optim.SGD(model.conv.parameters(), lr=0.1)  # type: ignore[union-attr]
        second = torch.optim.SGD(model.head.parameters(), lr=0.1)  # type: ignore[union-attr]
        other = nn.Linear(1, 1)
        unrelated = torch.optim.SGD(other.parameters(), lr=0.1)
        run.watch(model, every=2, log="gradients", histograms=False)
        for step in range(4):
            images, labels = batch(step)
            nn.functional.cross_entropy(model(images), labels).backward()
            other(torch.ones(1, 1)).sum().backward()
            unrelated.step()
            first.step()
            if step % 2:
                second.step()
        assert list(curve(run, "grad_norm")) == [0, 2]
        assert list(curve(run, "grad_norm/optimizer_2")) == [0]
        assert list(curve(run, "grad_norm/conv.weight")) == [0, 2]
        assert not [name for name in names(run) if name.endswith("/weight")]

    def test_frozen_unused_tied_and_sparse_parameters_are_watched(self, run: runfolio.Run):
        class Tied(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embedding = nn.Embedding(10, 4, sparse=True)
                self.inner = nn.Linear(4, 4)
                self.frozen = nn.Linear(4, 4).requires_grad_(False)
                self.unused = nn.Linear(4, 4)
                self.again = self.inner

            def forward(self, tokens: torch.Tensor) -> torch.Tensor:
                return self.again(self.frozen(self.inner(self.embedding(tokens)))).sum()

        model = Tied()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run.watch(model, every=1)
        model(torch.tensor([1, 1, 2])).backward()
        assert model.embedding.weight.grad is not None
        expected = float(model.embedding.weight.grad.to_dense().norm())
        optimizer.step()

        gradients = {name for name in names(run) if name.startswith("grad_norm/")}
        assert gradients == {f"grad_norm/{name}" for name in ("embedding.weight", "inner.weight", "inner.bias")}
        assert "weight_norm/frozen.weight" in names(run)
        assert curve(run, "grad_norm/embedding.weight") == pytest.approx({0: expected})

    def test_wrapped_model_keeps_its_names(self, run: runfolio.Run):
        model = network()
        wrapped = nn.DataParallel(model)  # like DDP, it contains the model as `module`
        run.watch(wrapped, every=1)
        train(model, 1)
        assert "grad_norm/head.weight" in names(run)

    def test_scripted_and_checkpointed_models_can_be_trained(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=1)
        from torch.utils.checkpoint import checkpoint

        train(model, 2, forward=lambda images: checkpoint(model, images, use_reentrant=False))
        assert len(curve(run, "grad_norm")) == 2

    def test_training_is_the_same_to_the_last_bit(self, run: runfolio.Run):
        alone, watched = network(), network()
        train(alone, 6)
        run.watch(watched, every=2)
        train(watched, 6)
        for (name, a), (_, b) in zip(alone.state_dict().items(), watched.state_dict().items(), strict=True):
            assert torch.equal(a, b), name


class Log(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.log()


class Spectral(nn.Module):
    """Weights in the frequency domain, as in neural operators."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3 + 4j, 12j, 1, 0, 0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfft(torch.fft.rfft(x) * self.weight)


def test_complex_weights_are_watched(run: runfolio.Run):
    model = Spectral()
    run.watch(model, every=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    model(torch.randn(2, 8)).square().sum().backward()
    assert model.weight.grad is not None
    expected = float(model.weight.grad.abs().square().sum().sqrt())
    optimizer.step()

    assert curve(run, "weight_norm") == pytest.approx({0: math.sqrt(25 + 144 + 1)})
    assert curve(run, "grad_norm") == pytest.approx({0: expected})


class TestCopies:
    def test_average_of_a_watched_model_works(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=1)

        average = torch.optim.swa_utils.AveragedModel(model)
        with torch.no_grad():
            next(average.parameters()).fill_(math.nan)
        average(batch(0)[0])  # the average itself is not watched
        train(model, 2)

        assert trouble(run) is None
        assert curve(run, "grad_norm")

    def test_watched_model_can_be_saved(self, run: runfolio.Run, tmp_path: Path):
        model = network()
        run.watch(model, every=1)

        torch.save(model, tmp_path / "model.pt")
        saved = torch.load(tmp_path / "model.pt", weights_only=False)

        images, _ = batch(0)
        assert torch.equal(saved(images), model(images))


class TestFirstNonFinite:
    def test_layer_with_log_of_zero_is_named(self, run: runfolio.Run, caplog: pytest.LogCaptureFixture):
        model = nn.Sequential(OrderedDict(first=nn.Linear(4, 4), relu=nn.ReLU(), log=Log(), head=nn.Linear(4, 1)))
        nn.init.constant_(model.first.bias, 5.0)  # type: ignore[union-attr]
        run.watch(model, every=100)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        with caplog.at_level(logging.WARNING):
            for number in range(5):
                optimizer.zero_grad()
                model(torch.zeros(2, 4) if number < 3 else torch.full((2, 4), -1e6)).sum().backward()
                optimizer.step()

        assert trouble(run) == "first non-finite: output of log (Log) at batch 4"
        assert len([line for line in caplog.messages if "first non-finite" in line]) == 1
        run.finish()
        assert trouble(run) == "first non-finite: output of log (Log) at batch 4"

    def test_layer_after_a_too_high_learning_rate_is_named(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=100)
        train(model, 5, lr=1e30)
        assert trouble(run) == "first non-finite: output of head (Linear) at batch 2"

    def test_weights_made_nan_by_an_outside_loss_are_named(self, run: runfolio.Run):
        model = nn.Linear(2, 1)
        run.watch(model, every=100)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for number in range(3):
            optimizer.zero_grad()
            loss = model(torch.ones(1, 2)).sum()
            (loss * math.nan if number == 1 else loss).backward()
            optimizer.step()
        assert trouble(run) == (
            "first non-finite: output of Linear (Linear) at batch 3;"
            " its weights were already not finite, because of the last optimizer step"
        )

    def test_invalid_input_is_named(self, run: runfolio.Run):
        model = network()
        run.watch(model)
        images, _ = batch(0)
        images[3, 0, 2, 2] = math.nan
        model(images)
        assert trouble(run) == "first non-finite: output of conv (Conv2d) at batch 1; its input was not finite either"

    def test_non_finite_gradient_is_named(self, run: runfolio.Run):
        model = network()
        run.watch(model, every=1)
        train(model, 1)
        model.conv.weight.register_hook(lambda gradient: gradient * math.inf)  # type: ignore[union-attr, operator]
        train(model, 1)
        assert trouble(run) == "first non-finite: gradient of conv.weight at optimizer step 1"

    def test_unsupported_output_does_not_stop_the_training(self, run: runfolio.Run, caplog: pytest.LogCaptureFixture):
        class Eighths(nn.Module):
            """Returns numbers of 8 bits, which torch can store but not add."""

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x.to(torch.float8_e4m3fn)

        model = Eighths()
        run.watch(model)
        for _ in range(2):
            model(torch.ones(2, 2))
        assert len([line for line in caplog.messages if "search for the origin of NaN was stopped" in line]) == 1

    @pytest.mark.parametrize(("filled_with", "reported"), [(-math.inf, False), (math.inf, True), (math.nan, True)])
    def test_masked_scores_are_not_reported(self, run: runfolio.Run, filled_with: float, reported: bool):
        class Policy(nn.Module):
            """Masks the second action, as is usual: its probability becomes 0."""

            def __init__(self) -> None:
                super().__init__()
                self.head = nn.Linear(4, 3)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.head(x).masked_fill(torch.tensor([False, True, False]), filled_with)

        model = Policy()
        run.watch(model, every=1)
        for _ in range(2):
            model(torch.ones(2, 4))
        assert trouble(run) == (
            "first non-finite: the model's output at batch 1; the output of each layer is finite" if reported else None
        )

    def test_evaluation_and_no_grad_are_not_checked(self, run: runfolio.Run):
        model = network()
        run.watch(model)
        bad = torch.full((1, 1, 8, 8), math.nan)
        with torch.no_grad():
            model(bad)
        model.eval()
        model(bad)
        assert trouble(run) is None

    def test_layers_are_not_kept_after_a_forward_that_fails(self, run: runfolio.Run):
        import gc
        import weakref

        model = network()
        run.watch(model)
        images = torch.randn(2, 1, 9, 9)  # does not match the head
        reference = weakref.ref(images)
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            model(images)
        del images
        gc.collect()
        assert reference() is None


class TestMeasures:
    # Ranges that float32 has no normal number for do not occur in weights.
    numbers = st.floats(-1e6, 1e6, width=32).map(lambda number: number if abs(number) > 1e-6 else 0.0)
    floats = arrays.arrays(np.float32, st.integers(1, 200), elements=numbers)

    @given(numbers=floats)
    @pytest.mark.parametrize("count", [count_values, _count_on_device], ids=["on the CPU", "as on a GPU"])
    def test_counts_are_those_of_the_numbers_between_numpys_edges(
        self, numbers: np.ndarray, count: Callable[[torch.Tensor], torch.Tensor]
    ):
        ours, theirs = histogram_of(count(torch.from_numpy(numbers)).tolist()), histogram(numbers)
        assert ours["edges"] == pytest.approx(theirs["edges"])
        assert sum(ours["counts"]) == len(numbers)
        # A number on an edge may be counted on either side, since float32 and float64 round differently.
        edges = np.array(ours["edges"][1:-1])
        near = 1e-5 * (edges[-1] - edges[0] + np.abs(numbers).max())
        below, up_to = ((numbers[:, None] < edges + shift).sum(axis=0) for shift in (-near, near))
        counted_so_far = np.cumsum(ours["counts"])[:-1]
        assert (below <= counted_so_far).all()
        assert (counted_so_far <= up_to).all()
        for key in ("mean", "std", "min", "max"):
            assert ours[key] == pytest.approx(theirs[key], rel=1e-4, abs=1e-4)

    @pytest.mark.parametrize("extremes", [(-3e38, 3e38), (0.0, 1e-41)], ids=["huge", "tiny"])
    @pytest.mark.parametrize("count", [count_values, _count_on_device], ids=["on the CPU", "as on a GPU"])
    def test_ranges_at_the_limits_of_float32_are_counted(
        self, extremes: tuple[float, float], count: Callable[[torch.Tensor], torch.Tensor]
    ):
        counts = histogram_of(count(torch.tensor(extremes)).tolist())["counts"]
        assert (counts[0], counts[-1], sum(counts)) == (1, 1, 2)

    def test_non_finite_values_are_counted_separately(self):
        histogram = histogram_of(count_values(torch.tensor([1.0, 2.0, math.nan, math.inf, -math.inf])).tolist())
        assert (sum(histogram["counts"]), histogram["nan"], histogram["inf"], histogram["min"], histogram["max"]) == (
            2,
            1,
            2,
            1.0,
            2.0,
        )

    def test_tensors_without_finite_values_give_empty_histograms(self):
        for tensor in (torch.full((3,), math.nan), torch.zeros(0)):
            histogram = histogram_of(count_values(tensor).tolist())
            assert (histogram["edges"], histogram["counts"], histogram["mean"]) == ([], [], None)

    def test_norms_of_halves_and_of_huge_numbers_do_not_overflow(self):
        given = [torch.full((4,), 60_000, dtype=torch.half), torch.full((4,), 1e30), torch.ones(4, dtype=torch.double)]
        assert norms(given).tolist() == pytest.approx([120_000, 2e30, 2.0], rel=1e-3)


def test_non_model_cannot_be_unwatched(store: Path):
    with runfolio.init(store=store, strict=True) as run:
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"a model must be a torch.nn.Module, not str"):
                run.unwatch("text")  # type: ignore[arg-type]
            run.watch(torch.nn.Linear(2, 1))
