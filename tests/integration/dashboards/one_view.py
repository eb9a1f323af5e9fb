"""A page of the console for one tenant, as the console runs it once it knows who looks: `?view=leads`."""

import runpy
from pathlib import Path

import streamlit as st

import dashboards
from dashboards import design
from dashboards.navigation import pages

design.apply()
st.navigation(pages(), position="hidden")  # so that links between the pages find them
st.session_state.tenant_id = st.query_params["tenant_id"]
st.session_state.language = st.query_params.get("language", "en")
runpy.run_path(str(Path(dashboards.__file__).parent / "views" / f"{st.query_params['view']}.py"))
