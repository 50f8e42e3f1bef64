"""WebRTC by aiortc, as its users send a camera: aiortc encodes the frames itself, once for each viewer."""
import asyncio
import json
import threading

from edgecam.errors import BackendUnavailable
from edgecam.web.jpeg import to_av

# Offers to receive a video; the answer's codec is the browser's first choice that aiortc knows.
OFFER = """(async () => {
  const video = document.body.appendChild(document.createElement('video')), peer = window.peer = new RTCPeerConnection();
  Object.assign(video, {muted: true, autoplay: true, playsInline: true});
  peer.addTransceiver('video', {direction: 'recvonly'}).receiver.playoutDelayHint = 0;
  peer.ontrack = ({track}) => { video.srcObject = new MediaStream([track]); };
  const look = (now) => {
    video.requestVideoFrameCallback(look);
    window.see(video, video.videoHeight, performance.now());
  };
  video.requestVideoFrameCallback(look);
  await peer.setLocalDescription(await peer.createOffer());
  while (peer.iceGatheringState !== 'complete') await new Promise((done) => setTimeout(done, 20));
  return {sdp: peer.localDescription.sdp, type: peer.localDescription.type};
})()"""


class Sender:
    """Sends the frames of the mailbox *newest* (a `Latest`) to one browser. Raises `BackendUnavailable` without aiortc."""

    def __init__(self, newest):
        try:
            import aiortc
        except ImportError as error:
            raise BackendUnavailable("this way needs: pip install aiortc ({})".format(error)) from error
        self._aiortc, self._newest = aiortc, newest
        self._loop, self._peer = asyncio.new_event_loop(), None
        self._thread = threading.Thread(target=self._loop.run_forever, name="bench-aiortc", daemon=True)
        self._thread.start()

    def connect(self, browser):
        """Make *browser*'s page the viewer."""
        answer = self._wait(self._answer(browser.run(OFFER)))
        browser.run("peer.setRemoteDescription({})".format(json.dumps(answer)))

    async def _answer(self, offer):
        self._peer = self._aiortc.RTCPeerConnection()
        self._peer.addTrack(camera_track(self._aiortc, self._newest))
        await self._peer.setRemoteDescription(self._aiortc.RTCSessionDescription(**offer))
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        return {"sdp": self._peer.localDescription.sdp, "type": self._peer.localDescription.type}

    def _wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def close(self):
        if self._peer is not None:
            self._wait(self._peer.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def camera_track(aiortc, newest):
    """Return a track of the frames in the mailbox *newest* (aiortc is imported late)."""

    class CameraTrack(aiortc.MediaStreamTrack):
        kind = "video"

        async def recv(self):
            frame = await asyncio.get_event_loop().run_in_executor(None, newest.get, 5.0)
            if frame is None:
                raise aiortc.mediastreams.MediaStreamError
            with frame:
                picture = to_av(frame)
                picture.pts, picture.time_base = frame.pts, frame.format.time_base
                return picture

    return CameraTrack()
