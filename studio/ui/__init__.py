"""The browser studio: the only place that imports gradio."""
