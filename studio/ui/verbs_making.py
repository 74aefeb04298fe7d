"""The verbs that make signing: sentences of a drawn signer, words of a trained model, pictures that sign."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from models.animation.frames import write_picture
from models.animation.picture import load_picture
from models.animation.target import read_target
from models.lexicon.looks import LOOKS
from models.lexicon.products import make_sentence
from studio import animating, base_actions, signs
from studio.inputs import check_clip
from studio.jobs import Jobs
from studio.limits import Limits
from studio.texts import text
from studio.ui import answers
from studio.ui.answers import Answer
from studio.ui.endpoints import Endpoints, names, run, session
from studio.ui.errors import NO_PICTURE, NO_WORD, required
from studio.ui.tabs import animate, base, synthesize
from studio.ui.tabs.animate import order_of
from studio.ui.tabs.base import base_options
from studio.ui.tabs.synthesize import sentence_options


class MakingVerbs:
    """What can be made."""

    def __init__(self, limits: Limits, jobs: Jobs) -> None:
        self._limits, self._jobs = limits, jobs

    def offer(self, to: Endpoints) -> None:
        """Publish them all."""
        to.offer(self.draft_gloss_line, text=gr.Textbox())
        to.offer(self.synthesize, line=gr.Textbox(), **_sentence_options())
        to.offer(self.base_action, word=gr.Textbox(), model=gr.Textbox(""), **_base_options())
        to.offer(self.check_picture, picture=gr.File())
        to.offer(self.animate_look, picture=gr.File(), **_look_options())
        to.offer(self.animate, picture=gr.File(), **_animate_options())

    def draft_gloss_line(self, request: gr.Request, text: str) -> Answer:
        """Draft a gloss line for an English text by simple rules of word order, to be looked at before it is signed.

        Args:
            text: A sentence in English.
        """
        return answers.drafted(signs.draft(text, signs.lexicons(session(request).lexicon)))

    def synthesize(
        self,
        request: gr.Request,
        line: str,
        look: str,
        signer: float,
        speed: float,
        letter_ms: float,
        left_handed: bool,
        picture: str,
        captions: str,
        height: int,
        suffix: str,
    ) -> Iterator[Answer]:
        """Sign a gloss line: a video of a drawn signer, its .pose file, captions, and when each gloss is signed.

        Args:
            line: Glosses in order, such as HELLO MY NAME fs-ANNA. fs- fingerspells; a comma or full stop is a pause.
            look: Who is drawn.
            signer: 0 is the usual signer; any other number signs a little differently.
            speed: 2 is twice as fast.
            letter_ms: How long each fingerspelled letter stays, milliseconds.
            left_handed: The left hand leads.
            picture: A drawn signer (avatar), the skeleton, or the OpenPose map.
            captions: Below the picture (burnt), as a file only (track), or none.
            height: Of the picture, pixels.
            suffix: Another format to give beside the MP4.
        """
        page = session(request)
        among = signs.lexicons(page.lexicon)
        items = signs.read_line(line, among)
        options = sentence_options(look, signer, speed, letter_ms, left_handed, picture, captions, height, suffix)
        yield from run(
            page,
            lambda folder, tell, stopped: make_sentence(items, among, folder, options, tell, stopped),
            answers.sentence,
        )

    def base_action(
        self,
        request: gr.Request,
        word: str,
        model: str = "",
        source: str = "medoid",
        speed: float = 1.0,
        enlarge: int = 1,
        sampler: str = "ddim",
        steps: int = 8,
        guidance: float = 1.0,
        seed: float = 0,
        begin: str = "noise",
        strength: float = 0.6,
        clip: str | None = None,
    ) -> Iterator[Answer]:
        """Draw the clean video of one word that a trained model knows, by diffusion after many people's samples.

        Args:
            word: The word; the error for one that is not known names those that are.
            model: Name of a trained model; empty is the first there is.
            source: Made after the most typical sample of the word (medoid), or the mean of all (barycentre).
            speed: 2 is twice as fast.
            enlarge: How many times as large as the model's pictures.
            sampler: How the noise is taken away.
            steps: In how many steps.
            guidance: How strictly it keeps to the word; 1 is twice as quick.
            seed: The same number gives the same video.
            begin: Draw over nothing (noise), the drawn signer (avatar), or a clip of the word.
            strength: How much is drawn anew where it is drawn over something.
            clip: The clip to draw over, where begin is "clip".
        """
        required(word.strip(), text(NO_WORD))
        picked = base_actions.find_model(model, self._jobs)
        chosen = base_options(clip, source, speed, enlarge, sampler, steps, guidance, seed, begin, strength)
        if chosen["clip"] is not None:
            check_clip(chosen["clip"], self._limits)
        yield from run(
            session(request),
            lambda folder, tell, stopped: base_actions.make(picked, word, folder, chosen, tell, stopped),
            answers.base_action,
        )

    def check_picture(self, request: gr.Request, picture: str) -> Answer:
        """Say who can be seen in a picture, and what would make it better for animate.

        Args:
            picture: A picture of a person, from the hips up at least.
        """
        required(picture, text(NO_PICTURE))
        return answers.picture(read_target(load_picture(Path(picture))))

    def animate_look(
        self,
        request: gr.Request,
        picture: str,
        line: str = "",
        person: float = 0,
        side: int = 768,
        framing: str = "auto",
        mirror: bool = False,
        clip: str | None = None,
    ) -> Iterator[Answer]:
        """Show one frame of what animate would make of a picture and signing.

        Args:
            picture: As of animate, and so are the others.
        """
        order = order_of(picture, person, _kind(clip), line, clip, None, "puppet", side, framing, mirror)
        page = session(request)
        among = signs.lexicons(page.lexicon)

        def work(folder: Path, _tell: Any, _stopped: Any) -> Path:
            write_picture(folder / "frame.jpg", animating.look(order, among, self._limits)[0])
            return folder / "frame.jpg"

        yield from run(page, work, lambda frame: {"frame": answers.file(frame)})

    def animate(
        self,
        request: gr.Request,
        picture: str,
        line: str = "",
        person: float = 0,
        engine: str = "puppet",
        side: int = 768,
        framing: str = "auto",
        mirror: bool = False,
        captions: bool = True,
        mark: bool = False,
        measure: bool = True,
        frames: bool = False,
        preset: str = "balanced",
        prompt: str = "",
        negative_prompt: str = "",
        from_picture: bool = False,
        strength: float = 0,
        steps: int = 0,
        guidance: float = 0,
        pose_strength: float = 0,
        seed: float = 0,
        clip: str | None = None,
    ) -> Iterator[Answer]:
        """Make the person in a picture sign a gloss line, or what is signed in a clip: a video, how faithful it is, and
        from what it was made. Only for people who agreed to it.

        Args:
            picture: A picture of a person, from the hips up at least.
            line: Glosses in order, such as HELLO MY NAME fs-ANNA; not used where there is a clip.
            person: Which person, from the left; 0 is the one who is largest.
            engine: The puppet needs no weights; the others are Stable Diffusion, and say so where weights are missing.
            side: Longest side of the video, pixels.
            framing: Cut to the signing space (auto), or keep the whole picture.
            mirror: Sign with the other hand.
            captions: The glosses below the picture.
            mark: The word "animated" in every frame; the file says it in its metadata in any case.
            measure: Read the video with MediaPipe, and say how faithful it is.
            frames: Give a zip of the frames, too.
            preset: How long Stable Diffusion takes; the rest is for it, too, and 0 or empty is the preset's.
            prompt: What the video shows.
            negative_prompt: What it should not show.
            from_picture: Start from the still picture rather than the puppet's frames.
            strength: How much is drawn anew, 0 to 1.
            steps: Steps of diffusion.
            guidance: How strictly it keeps to the prompt.
            pose_strength: How strictly it keeps to the pose.
            seed: The same number gives the same video.
            clip: A signing video or a .pose file.
        """
        order = order_of(
            *(picture, person, _kind(clip), line, clip, None, engine, side, framing, mirror),
            *(captions, mark, measure, frames),
            *(preset, prompt, negative_prompt, from_picture, strength, steps, guidance, pose_strength, seed),
        )
        page = session(request)
        among = signs.lexicons(page.lexicon)
        yield from run(
            page,
            lambda folder, tell, stopped: animating.make(order, folder, among, self._limits, tell, stopped),
            answers.animated,
        )


def _kind(clip: str | None) -> str:
    return "clip" if clip else "line"


def _sentence_options() -> dict[str, Any]:
    return {
        "look": gr.Dropdown([name.capitalize() for name in LOOKS], value="Sofia"),
        "signer": gr.Number(0, precision=0),
        "speed": gr.Slider(0.4, 2.0, value=1.0),
        "letter_ms": gr.Slider(100, 1000, value=200),
        "left_handed": gr.Checkbox(False),
        "picture": gr.Dropdown(names(synthesize.PICTURES), value="avatar"),
        "captions": gr.Dropdown(names(synthesize.CAPTIONS), value="burnt"),
        "height": gr.Number(512, precision=0, minimum=256, maximum=1080),
        "suffix": gr.Dropdown(names(synthesize.FORMATS), value=".mp4"),
    }


def _base_options() -> dict[str, Any]:
    return {
        "source": gr.Dropdown(names(base.SOURCES), value="medoid"),
        "speed": gr.Slider(0.4, 2.0, value=1.0),
        "enlarge": gr.Number(1, precision=0, minimum=1, maximum=8),
        "sampler": gr.Dropdown(names(base.SAMPLERS), value="ddim"),
        "steps": gr.Slider(1, 50, value=8, step=1),
        "guidance": gr.Slider(1, 5, value=1.0),
        "seed": gr.Number(0, precision=0),
        "begin": gr.Dropdown(names(base.BEGINNINGS), value="noise"),
        "strength": gr.Slider(0.1, 0.95, value=0.6),
        "clip": gr.File(),
    }


def _look_options() -> dict[str, Any]:
    return {
        "line": gr.Textbox(""),
        "person": gr.Number(0, precision=0, minimum=0),
        "side": gr.Number(768, precision=0, minimum=128, maximum=1440),
        "framing": gr.Dropdown(names(animate.FRAMINGS), value="auto"),
        "mirror": gr.Checkbox(False),
        "clip": gr.File(),
    }


def _animate_options() -> dict[str, Any]:
    looks = _look_options()
    return {
        "line": looks["line"],
        "person": looks["person"],
        "engine": gr.Dropdown(names(animate.ENGINES), value="puppet"),
        "side": looks["side"],
        "framing": looks["framing"],
        "mirror": looks["mirror"],
        "captions": gr.Checkbox(True),
        "mark": gr.Checkbox(False),
        "measure": gr.Checkbox(True),
        "frames": gr.Checkbox(False),
        "preset": gr.Dropdown(names(animate.PRESETS), value="balanced"),
        "prompt": gr.Textbox(""),
        "negative_prompt": gr.Textbox(""),
        "from_picture": gr.Checkbox(False),
        "strength": gr.Slider(0, 1, value=0),
        "steps": gr.Slider(0, 60, value=0, step=1),
        "guidance": gr.Slider(0, 15, value=0),
        "pose_strength": gr.Slider(0, 2, value=0),
        "seed": gr.Number(0, precision=0),
        "clip": looks["clip"],
    }
