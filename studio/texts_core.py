"""Fixed words of the core that pages show: they are said in English there, and go through `text` where they are shown.

Reports of the core that are put together from figures are in no list; they stay in English.
"""

from __future__ import annotations

from studio.texts import later

STEPS = (
    later("Reading the pose"),
    later("Drawing the preview"),
    later("Reading the clip"),
    later("Animating"),
    later("Writing the video"),
    later("Measuring"),
)
STEPS_OF_MODELS = (
    later("Reading the boxes"),
    later("Looking for the hands"),
    later("Recognizing"),
    later("Drawing what it begins from"),
    later("Reading its pose"),
)
REMARKS_ON_ACTIONS = (
    later("There are no boxes of objects; the answer goes by the hands and the scene alone."),
    later("The annotations have no object in these frames."),
    later("Hands were not looked for."),
)
TIPS = (
    later("Nobody is in the picture. Sit so that your head, your shoulders and your hands are in it."),
    later("The picture is too dark. Put a light in front of you, and none behind you."),
    later("You are far away. Come nearer, until your shoulders fill about a third of the picture."),
    later("You are too close: your hands leave the picture. Move back a little."),
    later("Your hands are not seen. Lift them in front of your chest, in good light."),
)
"""For people before the camera."""
