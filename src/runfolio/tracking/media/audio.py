"""Conversion of audio to a file: 16-bit WAV, or the unchanged file that the user passed."""

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
"""Maximum number of samples in all channels together. Each sample takes two bytes."""
MOST_CHANNELS = 8
HIGHEST_RATE = 1_000_000
"""Highest sample rate in Hz."""
_LARGEST = 32767
_CLIPPED = "has samples outside of -1 to 1, which are clipped; their number is stored in the record"
_NOT_FINITE = "has samples that are not finite: NaN is stored as 0, infinities as -1 and 1"


def audio_copy(audio: Any) -> Any:
    """Return a copy of audio: the bytes of a file, or samples [channels, samples]. Later changes to the user's array do
    not affect the copy.

    Raises:
        ConfigError: The file cannot be read, or the shape of the array is not valid for audio.
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
        raise ConfigError(
            f"audio has {count:,} samples, but the limit is {MOST_SAMPLES:,}; shorten it, or pass a FLAC file"
        )
    return own_copy(samples)


def whole_rate(sample_rate: Any) -> int | None:
    """Return the sample rate in Hz, or None if no rate is given.

    Raises:
        ConfigError: The rate is not a number from 1 to 1,000,000.
    """
    if sample_rate is None:
        return None
    rate = named_number(sample_rate, "sample_rate")
    if not 1 <= rate <= HIGHEST_RATE:
        raise ConfigError(f"sample_rate is {rate:g}, not a number of samples per second from 1 to {HIGHEST_RATE:,}")
    return round(rate)


def stored_audio(copied: Any, sample_rate: int | None) -> StoredFile:
    """Return the file unchanged, or samples [channels, samples] as 16-bit WAV.

    Raises:
        ConfigError: The file is not audio, the sample rate is missing, or the samples are neither floats nor int16.
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
