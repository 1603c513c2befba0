"""Ordinary PyTorch script with its own network and training loop. The lines marked with <-- record the run.

python examples/plain_pytorch.py --epochs 5 --lr 0.1
runfolio show plain          # the recorded run
runfolio plot val/acc        # the curve of a metric
python examples/plain_pytorch.py --resume RUN   # continue a killed run; the results stay the same
"""

from __future__ import annotations

import argparse

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import runfolio  # <--


class Net(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, hidden, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(hidden * 4 * 4, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.features(images).flatten(1)))


def digits(seed: int) -> tuple[TensorDataset, TensorDataset]:
    """Return training and validation data: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, a fifth for
    validation."""
    pixels, classes = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    labels = torch.tensor(classes)
    train, val = train_test_split(range(len(labels)), test_size=0.2, stratify=labels, random_state=seed)
    return TensorDataset(images[train], labels[train]), TensorDataset(images[val], labels[val])


@torch.inference_mode()
def accuracy(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    right = sum((model(images).argmax(1) == labels).sum() for images, labels in loader)
    return float(right) / len(loader.dataset)  # type: ignore[arg-type] - a TensorDataset has a length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--resume", help='the run to continue: its id, name or folder, or "auto"')
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train_data, val_data = digits(args.seed)
    order = runfolio.BatchOrder(len(train_data), args.batch_size, seed=args.seed)  # <--
    train = DataLoader(train_data, batch_sampler=order, num_workers=args.workers, generator=torch.Generator())
    val = DataLoader(val_data, 256)
    model = Net(args.hidden)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    with runfolio.init("plain", experiment="examples", config=args, resume=args.resume) as run:  # <--
        step = run.restore(model=model, optimizer=optimizer).step or 0 if run.resumed else 0  # <--
        order.at(step)  # <--
        while step < args.epochs * len(order):
            for images, labels in train:
                model.train()
                loss = criterion(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
                run.log({"train/loss": loss}, step=step)  # <--
                epoch, acc = step // len(order), None
                if step % len(order) == 0:
                    acc = accuracy(model, val)
                    run.log({"val/acc": acc}, step=epoch)  # <--
                    print(f"epoch {epoch}: {acc:.1%} right")
                run.checkpoint(model=model, optimizer=optimizer, step=step, metric=acc)  # <--
        run.log_histogram("weights/head", model.head.weight)  # <--
        run.summary["parameters"] = sum(parameter.numel() for parameter in model.parameters())  # <--
    print(f"recorded in {run.folder}")


if __name__ == "__main__":
    main()
