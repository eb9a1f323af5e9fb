"""`python -m echolead.demo.salesforce --port 8717 --data-dir var/salesforce`: serve the demo Salesforce."""

from echolead.demo.salesforce.app import create_app
from echolead.demo.watching import serve

if __name__ == "__main__":
    serve("salesforce", lambda credentials, _data_dir: create_app(credentials))
