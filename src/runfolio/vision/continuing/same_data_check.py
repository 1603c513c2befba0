"""Check that a run continues with its original images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from runfolio.errors import ConfigError, RunfolioError
from runfolio.record.content.data_listings import Item, Listing, compare_listings
from runfolio.vision.data.base import ImageSet, ImageSource
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.listing import items as listing_items
from runfolio.vision.prepare import Preparation

if TYPE_CHECKING:
    from runfolio import RecordedRun

Listings = Mapping[str, Listing]


def match_recorded_images(
    preparation: Preparation, recorded: RecordedRun, *, classes: Sequence[str] | None, changed_data: bool
) -> tuple[Preparation, str | None]:
    """Compare the current images with the original images of a run.

    Parts of the data (training, validation or test) that the run has not recorded are not compared.

    Args:
        classes: Classes of the run's network, or None if the run starts with a new network.
        changed_data: If true, the run continues although images have changed, and each image stays in its recorded
            part. If false, changes raise an error.

    Returns:
        The preparation to continue with, and a description of the changes, if any.

    Raises:
        ConfigError: The images have changed, or a required image is missing. The message names the first affected
            images.
    """
    facts = {part: data for part in preparation.parts if (data := recorded.data.get(part)) and data.fingerprint}
    if all(
        facts[part].fingerprint == preparation.listing(part).fingerprint for part in preparation.parts if part in facts
    ):
        return preparation, None
    label = f"run {recorded.name} ({recorded.id})"
    try:
        listings = {part: data.listing() for part, data in facts.items()}
    except RunfolioError as error:
        raise ConfigError(
            f"the images of {label} changed since it was started, but the changes are unknown ({error});"
            " train a new run on them"
        ) from None
    changes = _describe_changes(preparation, listings)
    if not changed_data:
        raise ConfigError(
            f"the images of {label} changed since it was started: {changes}; undo the changes or train a new run"
            " (--changed-data continues with the changed images)"
        )
    if (
        classes is not None and tuple(classes) != preparation.source.classes
    ) or listings.keys() != preparation.parts.keys():
        raise ConfigError(
            f"{label} cannot continue with images of different classes ({changes}); train a new run on them"
        )
    return _split_as_recorded(preparation, listings, label), changes


@dataclass(frozen=True)
class _Pool:
    """Images from which one or more parts of the data are selected."""

    parts: tuple[str, ...]
    images: ImageSet

    def items(self, classes: Sequence[str]) -> list[Item]:
        return listing_items(self.images, range(len(self.images)), classes)


def _pools(source: ImageSource) -> list[_Pool]:
    """Return the images from which each part is selected.

    If one folder contains both training and test images, its images form one pool, because their split depends on the
    whole folder.
    """
    train, test = source.train, source.test
    if isinstance(train, ImageFiles) and isinstance(test, ImageFiles) and train.root == test.root:
        all_images = ImageFiles(
            train.root,
            train.names + test.names,
            np.concatenate([train.labels, test.labels]),
            train.contents + test.contents,
        )
        return [_Pool(("train", "val", "test"), all_images)]
    return [_Pool(("train", "val"), train), _Pool(("test",), test)]


def _describe_changes(preparation: Preparation, listings: Listings) -> str:
    """Describe the changes in words.

    If a run uses only a fraction of the data, it does not record all images. Added training images are then not listed.
    """
    changes = []
    for pool in _pools(preparation.source):
        before = Listing.union(listings[part] for part in pool.parts if part in listings)
        change = compare_listings(before, Listing(pool.items(preparation.source.classes)))
        is_complete = preparation.settings.data_fraction == 1 or pool.parts == ("test",)
        changes.append(change if is_complete else replace(change, added=()))
    sentences = [change.sentence for change in changes if change.sentence]
    return ", ".join(sentences) or "images were added, which changes the split"


def _split_as_recorded(preparation: Preparation, listings: Listings, label: str) -> Preparation:
    """Return the preparation with the recorded images, in their recorded order and parts."""
    source = preparation.source
    pools = {part: pool for pool in _pools(source) for part in pool.parts}
    trained = [(item, part) for part in ("train", "val") for item in listings.get(part, ())]
    trained.sort(key=lambda pair: _sort_key(pair[0], source))
    tested = sorted(listings["test"], key=lambda item: _sort_key(item, source))
    in_val = np.array([part == "val" for _, part in trained])
    return replace(
        preparation,
        source=replace(
            source,
            train=_find([item for item, _ in trained], pools["train"], source, label),
            test=_find(tested, pools["test"], source, label),
            val=None,  # the recorded parts replace the validation folder
        ),
        train=np.flatnonzero(~in_val),
        val=np.flatnonzero(in_val),
        test=np.arange(len(tested)),
    )


def _sort_key(item: Item, source: ImageSource) -> tuple[int, str]:
    """Return the sort key of an image (see `data.folder`)."""
    return source.classes.index(item.label or ""), item.name


def _find(items: Sequence[Item], pool: _Pool, source: ImageSource, label: str) -> ImageFiles:
    """Find images by name. If a name does not exist, find the image by its content."""
    if not isinstance(pool.images, ImageFiles):
        raise ConfigError(f"{source.name} is not the data that {label} was started with; train a new run on it")
    pool_items = pool.items(source.classes)
    by_name = {item.name: index for index, item in enumerate(pool_items)}
    by_content = {item.digest: index for index, item in enumerate(pool_items)}
    indices = [by_name.get(item.name, by_content.get(item.digest)) for item in items]
    missing = [item.name for item, index in zip(items, indices, strict=True) if index is None]
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise ConfigError(
            f"{label} cannot continue, because {source.name} does not contain all of its images: {missing[0]}{more};"
            " put the missing images back, or train a new run"
        )
    return pool.images.only(np.array(indices, dtype=np.int64))
