"""How connections are served: uvicorn's HTTP protocol with limits, and its workers."""
