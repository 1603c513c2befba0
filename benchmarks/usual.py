"""Usual training loop, as tutorials teach it. `benchmarks.series` compares it with runfolio.

The loop uses plain PyTorch, torchvision and SummaryWriter. It keeps common habits that cost time, quality or both. The
frozen backbone is in training mode, so BatchNorm uses and updates batch statistics. Every image is decoded and passed
through the whole network in every epoch. The loop waits for each batch because of `.item()`. It reports the mean of the
batch accuracies, and evaluates the test set and traces the graph in every epoch. This version also counts the correctly
predicted test images, which costs nothing.
"""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter  # type: ignore[attr-defined] - it is there

# Some builds of torchvision require that this module is imported first.
from runfolio.vision._torchvision import datasets, models

# isort: split
from torchvision import transforms

BATCH, LR = 32, 1e-3
HEADS = {"mobilenet_v2": (0.2, 1280), "efficientnet_b0": (0.2, 1280), "efficientnet_b2": (0.3, 1408)}
"""Dropout and width of each network's head."""


@dataclass
class TrainingCurves:
    """Values that the loop prints, one entry per epoch. `right` is the number of correctly predicted test images."""

    train_loss: list[float] = field(default_factory=list)
    train_acc: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_acc: list[float] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def unpack(file: str | Path, folder: Path) -> Path:
    """Unpack a zip, and return the folder that contains its train/ and test/."""
    target = folder / Path(file).stem
    if not target.is_dir():
        with zipfile.ZipFile(file) as packed:
            packed.extractall(target)
    return target


def loaders(train: Path, test: Path, pixels: int) -> tuple[DataLoader, DataLoader, list[str]]:
    transform = transforms.Compose(
        [
            transforms.Resize((pixels, pixels)),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    train_data = datasets.ImageFolder(str(train), transform)
    test_data = datasets.ImageFolder(str(test), transform)
    workers, pinned = os.cpu_count() or 0, torch.cuda.is_available()
    return (
        DataLoader(train_data, batch_size=BATCH, shuffle=True, num_workers=workers, pin_memory=pinned),
        DataLoader(test_data, batch_size=BATCH, num_workers=workers, pin_memory=pinned),
        train_data.classes,
    )


def network(name: str, weights: str | Path | None, classes: int, seed: int) -> nn.Module:
    """Return a network with frozen `features` and a new head."""
    model = getattr(models, name)()
    if weights is not None:
        model.load_state_dict(torch.load(weights, weights_only=True))
    for parameter in model.features.parameters():
        parameter.requires_grad = False
    dropout, width = HEADS[name]
    torch.manual_seed(seed)
    model.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, classes))
    return model


def train(
    model: nn.Module,
    batches: DataLoader,
    test_batches: DataLoader,
    *,
    epochs: int,
    writer: SummaryWriter | None = None,
    pixels: int = 224,
    truly_frozen: bool = False,
) -> TrainingCurves:
    """Train a network. Unlike the usual loop, `truly_frozen` keeps the backbone in eval mode."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    loss_of = nn.CrossEntropyLoss()
    curves = TrainingCurves()
    for epoch in range(epochs):
        began = time.perf_counter()
        model.train()
        if truly_frozen:
            model.features.eval()  # type: ignore[operator] - a module
        train_loss = train_acc = 0.0
        for images, labels in batches:
            images, labels = images.to(device), labels.to(device)
            logits = model(images)
            loss = loss_of(logits, labels)
            train_loss += loss.item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            train_acc += (logits.argmax(dim=1) == labels).sum().item() / len(labels)

        model.eval()
        test_loss, test_acc, right = 0.0, 0.0, 0
        with torch.inference_mode():
            for images, labels in test_batches:
                images, labels = images.to(device), labels.to(device)
                logits = model(images)
                test_loss += loss_of(logits, labels).item()
                hits = int((logits.argmax(dim=1) == labels).sum().item())
                test_acc += hits / len(labels)
                right += hits

        curves.train_loss.append(train_loss / len(batches))
        curves.train_acc.append(train_acc / len(batches))
        curves.test_loss.append(test_loss / len(test_batches))
        curves.test_acc.append(test_acc / len(test_batches))
        curves.right.append(right)
        if writer is not None:
            losses = {"train_loss": curves.train_loss[-1], "test_loss": curves.test_loss[-1]}
            writer.add_scalars("Loss", losses, epoch)
            writer.add_scalars("Accuracy", {"train_acc": curves.train_acc[-1], "test_acc": curves.test_acc[-1]}, epoch)
            writer.add_graph(model, torch.randn(BATCH, 3, pixels, pixels).to(device))
        curves.seconds.append(time.perf_counter() - began)
    if writer is not None:
        writer.close()
    return curves


def series(
    folder: str,
    data: Sequence[str],
    nets: Mapping[str, str],
    epochs: Iterable[int],
    pixels: int,
    seed: int,
    *,
    only_epochs: int | None = None,
) -> list[dict[str, Any]]:
    """Train every cell (combination of settings) of the grid, one after another, in one folder. All cells use the test
    images of the first zip.

    Args:
        data: Zips with train/ and test/.
        nets: Weights file of each network.
        only_epochs: Maximum number of epochs per cell. The time of the other epochs is estimated.

    Returns:
        Settings, total seconds and printed values of each cell.
    """
    work_folder = Path(folder)
    unzipped = [unpack(file, work_folder / "data") for file in data]
    cells = []
    for number, train_folder in enumerate(unzipped):
        for length in epochs:
            for name, weights in nets.items():
                began = time.perf_counter()
                batches, test_batches, classes = loaders(train_folder / "train", unzipped[0] / "test", pixels)
                model = network(name, weights, len(classes), seed)
                label = f"{train_folder.name}/{name}/{length}_epochs"
                curves = train(
                    model,
                    batches,
                    test_batches,
                    epochs=min(length, only_epochs or length),
                    writer=SummaryWriter(log_dir=str(work_folder / "runs" / label)),
                    pixels=pixels,
                )
                saved = work_folder / "models" / f"{number}_{name}_{length}_epochs.pth"
                saved.parent.mkdir(exist_ok=True)
                torch.save(model.state_dict(), saved)
                seconds = time.perf_counter() - began
                cells.append(
                    {"data": train_folder.name, "model": name, "epochs": length, "seconds": seconds, **vars(curves)}
                )
    return cells


def accuracy(data: str, weights: str, seed: int, epochs: int, pixels: int, *, truly_frozen: bool) -> dict[str, Any]:
    """Train mobilenet_v2 on unpacked data, and return its curves and the number of test images."""
    folder = Path(data)
    batches, test_batches, classes = loaders(folder / "train", folder / "test", pixels)
    model = network("mobilenet_v2", weights, len(classes), seed)
    curves = train(model, batches, test_batches, epochs=epochs, pixels=pixels, truly_frozen=truly_frozen)
    return {**vars(curves), "images": len(test_batches.dataset)}  # type: ignore[arg-type] - has a length
