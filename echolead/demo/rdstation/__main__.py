"""`python -m echolead.demo.rdstation --port 8718 --data-dir var/rdstation`: serve the demo RD Station."""

from echolead.demo.rdstation.app import create_app
from echolead.demo.watching import serve

if __name__ == "__main__":
    serve("rdstation", lambda credentials, _data_dir: create_app(credentials))
