"""A frozen backbone as the usual loop trains it, beside runfolio's: right answers on the test images after each epoch.

    python benchmarks/frozen_backbone.py --data zip:pizza_steak_sushi.zip --weights mobilenet_v2.pth

The usual loop sets `requires_grad = False` on the backbone and calls `model.train()`: BatchNorm then normalises by
the batch and moves its statistics, so the backbone is not frozen. Both train mobilenet_v2's head alone (Adam, 1e-3,
batches of 32, the same images, seed and transform), on all training images.
"""

from __future__ import annotations

import argparse
import tempfile

import torch
from torch import nn
from torch.utils.data import DataLoader

import runfolio
from runfolio.vision import TrainSettings, run_experiment
from runfolio.vision._torchvision import models
from runfolio.vision.data.loaders import PreparedImages
from runfolio.vision.preparation import prepare


def usual_loop(settings: TrainSettings, weights: str) -> list[int]:
    """Right answers on the test images after each epoch."""
    torch.manual_seed(settings.seed)
    prepared = prepare(settings)
    train = DataLoader(
        PreparedImages(prepared.source.train, prepared.train, prepared.transform), settings.batch_size, shuffle=True
    )
    test = DataLoader(PreparedImages(prepared.source.test, prepared.test, prepared.transform), settings.batch_size)
    model = models.mobilenet_v2()
    model.load_state_dict(torch.load(weights, weights_only=True))
    for parameter in model.features.parameters():
        parameter.requires_grad = False
    model.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, len(prepared.source.classes)))
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr)
    right = []
    for _ in range(settings.epochs):
        model.train()
        for images, labels in train:
            loss = nn.functional.cross_entropy(model(prepared.transform.normalised(images)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            right.append(
                sum(
                    int((model(prepared.transform.normalised(images)).argmax(1) == labels).sum())
                    for images, labels in test
                )
            )
    return right


def ours(settings: TrainSettings) -> list[int]:
    with tempfile.TemporaryDirectory() as store:
        folder = run_experiment(settings, store=store)
        run = runfolio.open(store).run(folder)
        images = run.results["test/images"]
        return [round(accuracy * images) for accuracy in run.metric("test/acc").values]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True, help="ImageNet weights of torchvision's mobilenet_v2 (.pth)")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    settings = TrainSettings(
        data=args.data,
        model="mobilenet_v2",
        weights=args.weights,
        freeze_backbone=True,
        lr=1e-3,
        schedule="constant",
        epochs=args.epochs,
        seed=args.seed,
        val_fraction=0,
        test_at="epoch",
    )
    print("right after each epoch")
    print("usual loop", *usual_loop(settings, args.weights))
    print("runfolio  ", *ours(settings))


if __name__ == "__main__":
    main()
