"""`python -m dashboards`: the console as a process of its own."""

import argparse

from dashboards.server import application, settings_of_pages


def main() -> None:
    """Serve until a signal arrives. Streamlit's other settings are in `.streamlit/config.toml`, beside this file."""
    arguments = argparse.ArgumentParser(prog="python -m dashboards", description="Serve the console.")
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=8701)
    chosen = arguments.parse_args()
    own = {"server.address": chosen.host, "server.port": chosen.port}
    application().run(config={**own, **settings_of_pages()})


if __name__ == "__main__":
    main()
