"""What each table of the warehouse was built with, so that a changed project builds only what has changed.

A version follows from a model's SQL, the macros and variables in it, its configuration and its columns' types; that of
a seed from its file. Nobody raises a number.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from typing import Any

from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode, SeedNode

PACKAGE = "echolead"
BuiltNode = ModelNode | SeedNode
# Say nothing of a table's rows.
UNIMPORTANT = frozenset({"meta", "tags", "docs", "group", "access", "full_refresh", "on_schema_change", "contract"})


def built_nodes(manifest: Manifest) -> dict[str, BuiltNode]:
    """Models and seeds by their unique id, each after those it is made of."""
    nodes = {key: node for key, node in manifest.nodes.items() if isinstance(node, BuiltNode)}
    order = TopologicalSorter({key: parents(node) & nodes.keys() for key, node in nodes.items()}).static_order()
    return {key: nodes[key] for key in order}


def parents(node: BuiltNode) -> set[str]:
    """Unique ids of what a node is made of directly."""
    return set(node.depends_on.nodes) if isinstance(node, ModelNode) else set()


def versions(manifest: Manifest, variables: Mapping[str, Any]) -> dict[str, str]:
    """A digest of each model and seed by its unique id; `variables` are the project's.

    Of a project that was parsed and not yet run: what dbt finds when it runs a model becomes part of the manifest.
    """
    return {key: _version(manifest, node, variables) for key, node in built_nodes(manifest).items()}


def behind(manifest: Manifest, keys: Iterable[str]) -> set[str]:
    """These nodes and all that are made of them."""
    found = set(keys)
    for key, node in built_nodes(manifest).items():
        if parents(node) & found:
            found.add(key)
    return found


def before(manifest: Manifest, keys: Iterable[str]) -> set[str]:
    """All models and seeds that these nodes are made of."""
    nodes = built_nodes(manifest)
    found: set[str] = set()
    left = list(keys)
    while left:
        new = (parents(nodes[left.pop()]) & nodes.keys()) - found
        found |= new
        left += new
    return found


def is_view(node: BuiltNode) -> bool:
    """Whether nothing is stored of it."""
    return bool(node.config.materialized == "view")


def views_before(nodes: Mapping[str, BuiltNode], keys: Iterable[str]) -> set[str]:
    """The views among `nodes` that these are made of, directly or through other views."""
    found: set[str] = set()
    left = list(keys)
    while left:
        views = {key for key in parents(nodes[left.pop()]) & nodes.keys() if is_view(nodes[key])}
        left += views - found
        found |= views
    return found


def _version(manifest: Manifest, node: BuiltNode, variables: Mapping[str, Any]) -> str:
    if isinstance(node, SeedNode):
        texts = [node.checksum.checksum]
    else:
        texts = [node.raw_code, *_macros(manifest, node.depends_on.macros)]
    config = {name: value for name, value in node.config.to_dict().items() if name not in UNIMPORTANT}
    columns = {name: column.data_type for name, column in node.columns.items()}
    used = {name: value for name, value in variables.items() if any(f"'{name}'" in text for text in texts)}
    said = json.dumps([texts, config, columns, used], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def _macros(manifest: Manifest, keys: Iterable[str]) -> list[str]:
    """The SQL of these macros and of all they call, of the project's own alone."""
    found: dict[str, str] = {}
    left = list(keys)
    while left:
        macro = manifest.macros[left.pop()]
        if macro.package_name == PACKAGE and macro.unique_id not in found:
            found[macro.unique_id] = macro.macro_sql
            left += macro.depends_on.macros
    return [found[key] for key in sorted(found)]
