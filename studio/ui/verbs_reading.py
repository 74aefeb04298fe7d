"""The verbs that read signing: poses, glosses and actions of clips, and signs to know from now on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from models.pose.products import make_many_products, make_products
from studio import actions, recognizing, seeing, signs, teaching
from studio.inputs import check_batch, check_clip
from studio.jobs import Jobs
from studio.limits import Limits
from studio.texts import text
from studio.ui import answers
from studio.ui.answers import Answer
from studio.ui.endpoints import Endpoints, names, run, session
from studio.ui.errors import NO_CLIP, NO_CLIPS, NO_GLOSS, NO_SIGN_CLIPS, required
from studio.ui.tabs.pose import PREVIEWS, product_options

CLEANING = ["fill", "reduce", "normalize", "trim", "anonymize"]


class ReadingVerbs:
    """What can be asked of clips."""

    def __init__(self, limits: Limits, jobs: Jobs) -> None:
        self._limits, self._jobs = limits, jobs

    def offer(self, to: Endpoints) -> None:
        """Publish them all."""
        to.offer(self.extract_pose, clip=gr.File(), **_pose_options())
        to.offer(self.extract_poses, clips=gr.File(file_count="multiple"), **_pose_options())
        to.offer(self.recognize, clip=gr.File(), recognizer=gr.Textbox(seeing.LANDMARKS))
        to.offer(self.recognize_clips, clips=gr.File(file_count="multiple"))
        to.offer(
            self.recognize_actions,
            clip=gr.File(),
            annotations=gr.File(),
            video_id=gr.Textbox(""),
            model=gr.Textbox(""),
        )
        to.offer(self.teach_sign, clips=gr.File(file_count="multiple"), gloss=gr.Textbox())

    def extract_pose(
        self,
        request: gr.Request,
        clip: str,
        preview: str,
        fps: float,
        start_s: float,
        end_s: float,
        crop: str,
        irises: bool,
        recover_hands: bool,
        clean: list[str],
    ) -> Iterator[Answer]:
        """Read the landmarks of a person who signs in a video: a .pose file of MediaPipe Holistic landmarks, a
        preview video, OpenPose JSON, a CSV table, and a report of how well hands, face and body were seen.

        Args:
            clip: The video.
            preview: What the preview video shows: the landmarks over the video, both side by side, the skeleton alone,
                or the OpenPose map.
            fps: Frames per second that the video is read at; 0 is as recorded.
            start_s: Where to begin, seconds.
            end_s: Where to end, seconds; 0 is the end of the video.
            crop: Part of the picture to read, as "left, top, right, bottom" in pixels; empty is all of it.
            irises: 478 face landmarks instead of 468.
            recover_hands: Look again for hands that were lost; slower.
            clean: Steps of a cleaned pose to give as well: fill gaps of the hands, reduce to hands, arms and face
                contours, normalize by the shoulders, trim to the signing, anonymize the body's proportions.
        """
        required(clip, text(NO_CLIP))
        check_clip(clip, self._limits)
        chosen = product_options(preview, fps, start_s, end_s, crop, irises, recover_hands, clean)
        yield from run(
            session(request),
            lambda folder, tell, stopped: make_products(clip, folder, chosen, tell, stopped),
            answers.pose,
        )

    def extract_poses(
        self,
        request: gr.Request,
        clips: Sequence[str],
        preview: str,
        fps: float,
        start_s: float,
        end_s: float,
        crop: str,
        irises: bool,
        recover_hands: bool,
        clean: list[str],
    ) -> Iterator[Answer]:
        """As extract_pose, for many videos on all cores: a zip of all results, and what became of each video.

        Args:
            clips: The videos.
            preview: As of extract_pose, and so are the others.
        """
        required(clips, text(NO_CLIPS))
        check_batch(clips, self._limits)
        chosen = product_options(preview, fps, start_s, end_s, crop, irises, recover_hands, clean)
        yield from run(
            session(request),
            lambda folder, tell, stopped: make_many_products(clips, folder, chosen, tell, stopped),
            answers.poses,
        )

    def recognize(self, request: gr.Request, clip: str, recognizer: str) -> Iterator[Answer]:
        """Say what is signed in a video or .pose file: glosses with their times and confidence; captions, an ELAN
        file, a table and JSON. A sign that is not known has no gloss.

        Args:
            clip: The video, or a .pose file.
            recognizer: "landmarks" is the one for everyday signs, and those that this session was taught; "four-stage"
                is a demo that looks at pictures; "run:" and the id of a training run is the model of that run.
        """
        required(clip, text(NO_CLIP))
        picked, page = seeing.find_engine(recognizer, self._jobs), session(request)
        among = signs.lexicons(page.lexicon)
        yield from run(
            page,
            lambda folder, tell, stopped: seeing.recognize_with(
                picked, clip, folder, among, self._limits, tell, stopped
            ),
            answers.recognized,
        )

    def recognize_clips(self, request: gr.Request, clips: Sequence[str]) -> Iterator[Answer]:
        """As recognize with "landmarks", for many videos and .pose files: a zip of all results, and what is in each.

        Args:
            clips: The videos or .pose files.
        """
        required(clips, text(NO_CLIPS))
        check_batch(clips, self._limits)
        page = session(request)
        among = signs.lexicons(page.lexicon)
        yield from run(
            page,
            lambda folder, tell, stopped: recognizing.recognize_many(clips, folder, among, self._limits, tell, stopped),
            answers.recognized_many,
        )

    def recognize_actions(
        self, request: gr.Request, clip: str, annotations: str | None = None, video_id: str = "", model: str = ""
    ) -> Iterator[Answer]:
        """Say what hands do with objects in a video of a few seconds: labels such as "Putting something on something"
        with confidence, where the model looked, and the video with hands and boxes drawn. Not for signing.

        Args:
            clip: The video of one action.
            annotations: Where the objects are, as JSON of Something-Else; without it, it goes by hands and picture.
            video_id: Id of the video in the annotations; empty is the name of its file.
            model: Name of a trained model; empty is the first there is.
        """
        source = Path(required(clip, text(NO_CLIP)))
        picked = actions.find_model(model, self._jobs)
        boxes = None if not annotations else Path(annotations)

        def work(folder: Path, tell: Any, stopped: Any) -> actions.ActionProducts:
            return actions.make(picked, source, boxes, video_id, folder, self._limits, tell, stopped)

        yield from run(session(request), work, lambda made: answers.acted(made, source))

    def teach_sign(self, request: gr.Request, clips: Sequence[str], gloss: str) -> Iterator[Answer]:
        """Teach this session a sign from one to five videos of it; recognize, synthesize and animate know it then, and
        the answer has all that was taught as a lexicon to keep.

        Args:
            clips: The videos, each of the one sign, beginning and ending with the hands at rest.
            gloss: What to call the sign, such as MY-SIGN.
        """
        required(clips, text(NO_SIGN_CLIPS))
        required(gloss.strip(), text(NO_GLOSS))
        page = session(request)

        def work(folder: Path, tell: Any, stopped: Any) -> tuple[Any, ...]:
            made = teaching.teach(clips, gloss, page.lexicon, self._limits, tell, stopped)
            return made, teaching.taught(page.lexicon), teaching.packed(page.lexicon, folder)

        yield from run(page, work, lambda made: answers.taught(*made))


def _pose_options() -> dict[str, Any]:
    return {
        "preview": gr.Dropdown(names(PREVIEWS), value="overlay"),
        "fps": gr.Number(0, minimum=0, maximum=120),
        "start_s": gr.Number(0, minimum=0),
        "end_s": gr.Number(0, minimum=0),
        "crop": gr.Textbox(""),
        "irises": gr.Checkbox(False),
        "recover_hands": gr.Checkbox(False),
        "clean": gr.CheckboxGroup(CLEANING, value=[]),
    }
