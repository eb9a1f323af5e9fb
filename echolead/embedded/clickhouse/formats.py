"""Content types of ClickHouse's output formats; a format not listed is plain text, as in ClickHouse."""

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
_BY_FORMAT = {name: content_type for content_type, names in _TYPES.items() for name in names.split()}


def content_type(format_name: str) -> str:
    """Content-Type of an answer in this format."""
    return _BY_FORMAT.get(format_name, "text/plain; charset=UTF-8")
