"""Import of `runfolio.vision`, also with missing or broken packages."""

from __future__ import annotations

import pytest

import runfolio.vision


def test_import_of_the_package_does_not_import_torch(fresh_python):
    done = fresh_python(
        "import sys, runfolio.vision\n"
        "runfolio.vision.experiment.settings(epochs=3)\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'matplotlib', 'sklearn', 'PIL'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("module", "needs"), [("torch", "training needs torch"), ("sklearn", "the data digits needs scikit-learn")]
)
def test_missing_package_error_names_the_extra(fresh_python, module, needs):
    done = fresh_python(
        "import sys\n"
        f"sys.modules[{module!r}] = None\n"
        "import runfolio.vision\n"
        "try:\n"
        "    runfolio.vision.experiment.run(runfolio.vision.TrainSettings())\n"
        "except runfolio.MissingExtra as error:\n"
        "    sys.exit(str(error))\n"
    )

    assert done.stderr.strip() == f"{needs}; install it with `pip install 'runfolio[vision]'`"


def test_torchvision_works_with_the_installed_torch(fresh_python):
    done = fresh_python(
        "import torch\n"
        "from runfolio.vision._torchvision import v2\n"
        "import torchvision\n"
        "assert v2.functional.to_dtype(torch.zeros(1, 4, 4, dtype=torch.uint8), torch.float32, scale=True).sum() == 0\n"
        "if torchvision.extension._has_ops():\n"
        "    boxes, scores = torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1)\n"
        "    assert torchvision.ops.nms(boxes, scores, 0.5).tolist() == [0]\n"
    )

    assert done.returncode == 0, done.stderr


def test_public_names_all_exist():
    assert [name for name in runfolio.vision.__all__ if getattr(runfolio.vision, name, None) is None] == []


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        runfolio.vision.trian  # noqa: B018
