"""Going on with a run on the images it was begun with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from runfolio.errors import ConfigError, RunfolioError
from runfolio.record.content.datasets import Item, Listing, compare_listings
from runfolio.vision.data.base import ImageSet, ImageSource
from runfolio.vision.data.files import ImageFiles
from runfolio.vision.data.listing import items
from runfolio.vision.prepare import Preparation

if TYPE_CHECKING:
    from runfolio import RecordedRun

Listings = Mapping[str, Listing]


def on_the_same_images(
    preparation: Preparation, recorded: RecordedRun, *, classes: Sequence[str] | None, changed_data: bool
) -> tuple[Preparation, str | None]:
    """What to go on with, and how the images differ from those the run was begun with, where they do.

    Of what a run did not record nothing can be said.

    Args:
        classes: Those its network was made for; None where it is made anew.
        changed_data: Go on with images that changed, each in the part it had. Else they are refused.
    Raises:
        ConfigError: The images changed; the message names the first ones and the way out. Or a needed one is gone.
    """
    facts = {part: each for part in preparation.parts if (each := recorded.data.get(part)) and each.fingerprint}
    if all(
        facts[part].fingerprint == preparation.listing(part).fingerprint for part in preparation.parts if part in facts
    ):
        return preparation, None
    label = f"run {recorded.name} ({recorded.id})"
    try:
        begun = {part: each.listing() for part, each in facts.items()}
    except RunfolioError as error:
        raise ConfigError(
            f"the images of {label} are not those it was begun with, and which ones changed is not known ({error});"
            " train a new run on them"
        ) from None
    told = _told(preparation, begun)
    if not changed_data:
        raise ConfigError(
            f"the images of {label} changed since it was begun: {told}; undo that, train a new run on them,"
            " or give --changed-data to go on with them as they are, each in the part it had"
        )
    if (
        classes is not None and tuple(classes) != preparation.source.classes
    ) or begun.keys() != preparation.parts.keys():
        raise ConfigError(f"{label} cannot go on with images of other classes ({told}); train a new run on them")
    return _divided_as_begun(preparation, begun, label), told


@dataclass(frozen=True)
class _Pool:
    """Images that some parts of a run are taken from."""

    parts: tuple[str, ...]
    images: ImageSet

    def items(self, classes: Sequence[str]) -> list[Item]:
        return items(self.images, range(len(self.images)), classes)


def _pools(source: ImageSource) -> list[_Pool]:
    """Where an image may be found again. One folder is one pool: what tests of it is settled by what lies in it."""
    train, test = source.train, source.test
    if isinstance(train, ImageFiles) and isinstance(test, ImageFiles) and train.root == test.root:
        together = ImageFiles(
            train.root,
            train.names + test.names,
            np.concatenate([train.labels, test.labels]),
            train.contents + test.contents,
        )
        return [_Pool(("train", "val", "test"), together)]
    return [_Pool(("train", "val"), train), _Pool(("test",), test)]


def _told(preparation: Preparation, begun: Listings) -> str:
    """The changes in words. Images that a run of a share left out look as if they were added, so these are not told."""
    found = []
    for pool in _pools(preparation.source):
        before = Listing.union(begun[part] for part in pool.parts if part in begun)
        changes = compare_listings(before, Listing(pool.items(preparation.source.classes)))
        whole = preparation.settings.data_fraction == 1 or pool.parts == ("test",)
        found.append(changes if whole else replace(changes, added=()))
    sentences = [changes.sentence for changes in found if changes.sentence]
    return ", ".join(sentences) or "more are there, by which they would be divided otherwise"


def _divided_as_begun(preparation: Preparation, begun: Listings, label: str) -> Preparation:
    """The preparation with the images that the run was begun with, in their order and parts, as they are now."""
    source = preparation.source
    pools = {part: pool for pool in _pools(source) for part in pool.parts}
    kept = [(item, part) for part in ("train", "val") for item in begun.get(part, ())]
    kept.sort(key=lambda pair: _place(pair[0], source))
    tested = sorted(begun["test"], key=lambda item: _place(item, source))
    in_val = np.array([part == "val" for _, part in kept])
    return replace(
        preparation,
        source=replace(
            source,
            train=_found_again([item for item, _ in kept], pools["train"], source, label),
            test=_found_again(tested, pools["test"], source, label),
        ),
        train=np.flatnonzero(~in_val),
        val=np.flatnonzero(in_val),
        test=np.arange(len(tested)),
    )


def _place(item: Item, source: ImageSource) -> tuple[int, str]:
    """Where an image stands among the others (see `data.folder`)."""
    return source.classes.index(item.label or ""), item.name


def _found_again(wanted: Sequence[Item], pool: _Pool, source: ImageSource, label: str) -> ImageFiles:
    """The images by their names, else by their contents."""
    if not isinstance(pool.images, ImageFiles):
        raise ConfigError(f"{source.name} is not what {label} was begun with; train a new run on it")
    there = pool.items(source.classes)
    by_name = {item.name: index for index, item in enumerate(there)}
    by_content = {item.digest: index for index, item in enumerate(there)}
    indices = [by_name.get(item.name, by_content.get(item.digest)) for item in wanted]
    gone = [item.name for item, index in zip(wanted, indices, strict=True) if index is None]
    if gone:
        more = f" and {len(gone) - 1:,} more" if len(gone) > 1 else ""
        raise ConfigError(
            f"{label} cannot go on without images it was begun with: {gone[0]}{more} gone from {source.name};"
            " put them back, or train a new run"
        )
    return pool.images.only(np.array(indices, dtype=np.int64))
