"""In the clone, pip install .[pc] on a PC; pip install . on a board, where JetPack brings TensorRT and OpenCV."""
import os
import re

from setuptools import find_packages, setup

HERE = os.path.dirname(os.path.abspath(__file__))


def read(*path):
    with open(os.path.join(HERE, *path), encoding="utf-8") as stream:
        return stream.read()


OPENCV = ["opencv-python-headless<4.7; python_version < '3.7'",     # later ones have no wheel and start a build of an hour
          "opencv-python-headless; python_version >= '3.7'"]

EXTRAS = {
    # everything that the whole way of a frame needs on a PC
    "pc": OPENCV + [
        "av>=12; python_version >= '3.8'",      # files, streams and libx264; there is none for 3.6 and 3.7
        "onnxruntime>=1.10",
        "scipy>=1.5",                           # the assignment of detections to tracks, faster than ours
    ],
    "openvino": ["openvino>=2024; python_version >= '3.9'"],    # the fastest engine on x86
    "gpu": ["pycuda"],                          # TensorRT itself comes with JetPack, or from NVIDIA
    "triton": ["tritonclient[grpc]"],           # detection on a Triton or any KServe-v2 server
    # how the benchmarks score and draw; `bench track` also compares with the package trackers where that is installed (it
    # brings another OpenCV along, which wants a desktop's libraries)
    "bench": ["matplotlib; python_version >= '3.8'", "trackeval; python_version >= '3.8'", "websocket-client",
              "onnx; python_version >= '3.8'",              # writes the yardsticks of bench detect
              "aiortc; python_version >= '3.10'"],          # what bench latency compares the page with
    "test": ["pytest>=7", "pytest-timeout", "hypothesis>=6.31", "jsonschema", "prometheus-client", "pillow",
             "websocket-client", "onnx; python_version >= '3.8'", "pycocotools; python_version >= '3.8'",
             "schemathesis>=4; python_version >= '3.10'", "tritonclient[grpc]; python_version >= '3.8'",
             # CUDA's compiler as a library: every kernel is compiled for every board. Later ones are four times as large
             "nvidia-cuda-nvrtc-cu12<12.2; python_version >= '3.8' and sys_platform == 'linux'"],
}

setup(
    name="edgecam",
    version=re.search(r'__version__ = "(.+)"', read("edgecam", "version.py")).group(1),
    description="A smart video payload: sees, tracks, spends the encoder's bits where it matters, shows it live",
    long_description=read("README.md"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.6",
    packages=find_packages(include=["edgecam", "edgecam.*"]) + ["edgecam.models"],
    package_dir={"edgecam.models": "models"},
    package_data={"edgecam": ["default.yaml", "*.schema.json"], "edgecam.detect.cuda": ["*.cu"], "edgecam.models": ["*.onnx", "*.json", "README.md"],
                  "edgecam.web": ["static/*", "templates/*"]},
    install_requires=[
        "numpy>=1.17",
        "PyYAML>=5.4",
        "flask>=2.0",
        "cheroot>=10,<12",                      # the one WSGI server that drops stalled viewers by itself; web/whole.py reads requests in its place
        "tqdm",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["edgecam = edgecam.__main__:program"]},
    classifiers=["License :: OSI Approved :: Apache Software License", "Programming Language :: Python :: 3",
                 "Operating System :: POSIX :: Linux", "Topic :: Multimedia :: Video :: Capture"],
)
