{#-
  JSON text without what no store and no reader takes: bytes that are no UTF-8 become U+FFFD, escapes of NUL and of
  half a surrogate pair are taken out. A pair of backslashes is matched first, so that `\\u0000`, which is a backslash
  and five letters, stays.
-#}
{% macro readable_json(json) -%}
    if(
        match({{ json }}, '\\\\u(0000|[dD][89a-fA-F])'),
        replaceRegexpAll(
            toValidUTF8({{ json }}),
            '(\\\\\\\\|\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\\\u0000|\\\\u[dD][89a-fA-F][0-9a-fA-F]{2}',
            '\\1'
        ),
        toValidUTF8({{ json }})
    )
{%- endmacro %}
