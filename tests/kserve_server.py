"""A small server of the KServe-v2 protocol over real gRPC, whose only model is `tiny_onnx.bright_cells` in numpy."""
import time
from concurrent import futures

import numpy as np

STRIDE = 8


def bright(image):
    """What `bright_cells` computes: (cov, box) of float32 [1, 3, h, w]."""
    _, _, height, width = image.shape
    cells = image[0].reshape(3, height // STRIDE, STRIDE, width // STRIDE, STRIDE).mean(axis=(0, 2, 4))
    cov = ((cells - 128) / 8)[None, None].astype(np.float32)
    return cov, np.full((1, 4) + cov.shape[2:], np.log(0.5), np.float32)


class Server:
    """Runs in threads of its own between `start` and `stop`, on one port; *delay*: seconds that an answer takes.

    *loaded*: whether the model is there; *failure*: the status with which inference fails, as "INTERNAL"; *repository*: the names
    that it lists as Triton does, None where it can't.
    """

    def __init__(self, shape=(-1, 3, 64, 96), port=0, loaded=True, repository=None):
        self.shape, self.port, self.delay, self.requests = shape, port, 0.0, 0
        self.loaded, self.failure, self.repository = loaded, None, repository
        self._server = None

    def start(self):
        import grpc
        from tritonclient.grpc import service_pb2_grpc
        outer = self

        class Service(service_pb2_grpc.GRPCInferenceServiceServicer):
            def ModelMetadata(self, request, context):
                return outer.metadata(request, context)

            def ModelInfer(self, request, context):
                return outer.infer(request, context)

            def RepositoryIndex(self, request, context):
                return outer.index(context)
        self._server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Service(), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:{}".format(self.port))
        self._server.start()
        return self

    def metadata(self, request, context):
        import grpc
        from tritonclient.grpc import service_pb2 as messages
        if request.name != "bright" or not self.loaded:
            context.abort(grpc.StatusCode.NOT_FOUND, "no model {} here".format(request.name))
        tensor = messages.ModelMetadataResponse.TensorMetadata
        return messages.ModelMetadataResponse(
            name="bright", inputs=[tensor(name="image", datatype="FP32", shape=self.shape)],
            outputs=[tensor(name=name, datatype="FP32", shape=[-1, depth, 8, 12]) for name, depth in (("cov", 1), ("box", 4))])

    def index(self, context):
        import grpc
        from tritonclient.grpc import service_pb2 as messages
        if self.repository is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
        return messages.RepositoryIndexResponse(models=[messages.RepositoryIndexResponse.ModelIndex(name=name) for name in self.repository])

    def infer(self, request, context):
        import grpc
        from tritonclient.grpc import service_pb2 as messages
        self.requests += 1
        if self.failure:
            context.abort(grpc.StatusCode[self.failure], "inference failed")
        time.sleep(self.delay)
        image = np.frombuffer(request.raw_input_contents[0], np.float32).reshape(request.inputs[0].shape)
        response = messages.ModelInferResponse(model_name="bright")
        for name, array in zip(("cov", "box"), bright(image)):
            response.outputs.add(name=name, datatype="FP32", shape=array.shape)
            response.raw_output_contents.append(array.tobytes())
        return response

    def stop(self):
        if self._server is not None:
            self._server.stop(0).wait(10)
            self._server = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()
