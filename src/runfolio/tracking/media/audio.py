"""Audio in its stored form: WAV of 16 bits, or the file of the user."""

from __future__ import annotations

import io
from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.content.media_types import AUDIO
from runfolio.tracking.pipeline.media_content import as_numbers, own_copy
from runfolio.tracking.pipeline.plain_texts import is_tensor
from runfolio.tracking.pipeline.plain_values import named_number
from runfolio.tracking.pipeline.stored_file import StoredFile
from runfolio.tracking.pipeline.user_files import file_content, stored_unchanged

MOST_SAMPLES = 100_000_000
"""Samples of all channels together; each takes two bytes."""
MOST_CHANNELS = 8
HIGHEST_RATE = 1_000_000
"""Samples per second."""
_LARGEST = 32767
_CLIPPED = "has samples outside of -1 to 1, which are clipped; their number is stored in the record"
_NOT_FINITE = "has samples that are not finite: NaN is stored as 0, infinities as -1 and 1"


def audio_copy(audio: Any) -> Any:
    """Return a copy of audio, independent of later changes: the bytes of a file, or samples [channels, samples].

    Raises:
        ConfigError: The file cannot be read, or the shape is not that of audio.
    """
    content = file_content(audio, "an audio")
    if content is not None:
        return content
    samples = audio if is_tensor(audio) else as_numbers(audio)
    shape = tuple(samples.shape)
    if len(shape) == 1:
        samples = samples[None]
    elif len(shape) == 2 and shape[0] > MOST_CHANNELS >= shape[1]:
        samples = samples.T
    if samples.ndim != 2 or samples.shape[0] > MOST_CHANNELS or 0 in samples.shape:
        raise ConfigError(
            f"audio of shape {shape} is neither [samples], [channels, samples] nor [samples, channels] with at most"
            f" {MOST_CHANNELS} channels"
        )
    count = samples.shape[0] * samples.shape[1]
    if count > MOST_SAMPLES:
        raise ConfigError(f"audio of {count:,} samples, of at most {MOST_SAMPLES:,}; shorten it, or pass a FLAC file")
    return own_copy(samples)


def whole_rate(sample_rate: Any) -> int | None:
    """Return the rate of samples in Hz; None if none is given.

    Raises:
        ConfigError: It is not a number from 1 to 1,000,000.
    """
    if sample_rate is None:
        return None
    rate = named_number(sample_rate, "sample_rate")
    if not 1 <= rate <= HIGHEST_RATE:
        raise ConfigError(f"sample_rate is {rate:g}, not a number of samples per second from 1 to {HIGHEST_RATE:,}")
    return round(rate)


def stored_audio(copied: Any, sample_rate: int | None) -> StoredFile:
    """Return a file as it is, or samples [channels, samples] as WAV of 16 bits.

    Raises:
        ConfigError: The file is not audio, or samples have no rate, or are neither floats nor int16.
    """
    import wave

    import numpy as np

    if isinstance(copied, bytes):
        return stored_unchanged(copied, AUDIO, "an audio")
    if sample_rate is None:
        raise ConfigError("an array of samples needs sample_rate=, in samples per second")
    samples = as_numbers(copied)
    notes: dict[str, Any] = {"sample_rate": sample_rate, "channels": samples.shape[0], "samples": samples.shape[1]}
    warnings: tuple[str, ...] = ()
    if samples.dtype.kind == "f":
        finite = np.isfinite(samples)
        loud = finite & (np.abs(np.where(finite, samples, 0)) > 1)
        for key, changed, warning in (("clipped", loud, _CLIPPED), ("not_finite", ~finite, _NOT_FINITE)):
            if changed.any():
                notes[key] = int(changed.sum())
                warnings += (warning,)
        samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1)
        samples = np.rint(samples * samples.dtype.type(_LARGEST)).astype(np.int16)
    elif samples.dtype != np.int16:
        raise ConfigError(f"audio of {samples.dtype}; pass floats from -1 to 1, or int16")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.T.astype("<i2").tobytes())
    return StoredFile(buffer.getvalue(), notes, warnings, ".wav")
