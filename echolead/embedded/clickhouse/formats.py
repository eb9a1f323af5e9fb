"""ClickHouse's output formats: their content types, and whether they can be written block by block."""

_TYPES = {
    "application/json; charset=UTF-8": """
        JSON JSONStrings JSONCompact JSONCompactStrings JSONColumns JSONCompactColumns JSONColumnsWithMetadata
        JSONObjectEachRow PrettyJSONEachRow
    """,
    "application/x-ndjson; charset=UTF-8": """
        JSONEachRow JSONLines NDJSON JSONStringsEachRow JSONEachRowWithProgress JSONStringsEachRowWithProgress
        JSONCompactEachRow JSONCompactEachRowWithNames JSONCompactEachRowWithNamesAndTypes JSONCompactStringsEachRow
    """,
    "text/tab-separated-values; charset=UTF-8": """
        TabSeparated TSV TabSeparatedRaw TSVRaw TabSeparatedWithNames TSVWithNames TabSeparatedWithNamesAndTypes
        TSVWithNamesAndTypes TabSeparatedRawWithNames TabSeparatedRawWithNamesAndTypes
    """,
    "text/csv; charset=UTF-8; header=absent": "CSV",
    "text/csv; charset=UTF-8; header=present": "CSVWithNames CSVWithNamesAndTypes",
    "application/octet-stream": "Native RowBinary RowBinaryWithNames RowBinaryWithNamesAndTypes Parquet ORC Avro Npy",
    "application/vnd.apache.arrow.file": "Arrow",
    "application/vnd.apache.arrow.stream": "ArrowStream",
    "application/xml; charset=UTF-8": "XML",
    "text/markdown; charset=UTF-8": "Markdown",
}
PLAIN_TEXT = "text/plain; charset=UTF-8"
_BY_FORMAT = {name: content_type for content_type, names in _TYPES.items() for name in names.split()}


def content_type(format_name: str) -> str:
    """Content-Type of an answer in this format: plain text when it is not listed, as in ClickHouse."""
    return _BY_FORMAT.get(format_name, PLAIN_TEXT)


# Formats without header, footer or separators: the concatenation of two blocks' files is a valid file.
_BY_BLOCKS = frozenset({
    "Native", "RowBinary", "TSKV", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "JSONEachRow",
    "JSONLines", "NDJSON", "JSONStringsEachRow", "JSONCompactEachRow", "JSONCompactStringsEachRow",
})  # fmt: skip
# Those of them that a setting turns into one array, with a header and a footer.
_ARRAYS = frozenset({"JSONEachRow", "JSONLines", "NDJSON"})
ARRAY_SETTING = "output_format_json_array_of_rows"


def may_be_array(format_name: str) -> bool:
    """Whether `ARRAY_SETTING` puts the whole result in this format into brackets."""
    return format_name in _ARRAYS


def is_by_blocks(format_name: str) -> bool:
    """Whether a result in this format is the concatenation of its blocks' results."""
    return format_name in _BY_BLOCKS
