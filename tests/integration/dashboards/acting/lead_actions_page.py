"""The actions of one lead without its record: `?lead_id=…`."""

import streamlit as st

from dashboards.lead_actions import show_actions
from dashboards.page import opened

st.session_state.tenant_id = st.query_params["tenant_id"]
st.session_state.language = "en"
show_actions(opened("lead", has_period=False), st.query_params["lead_id"])
