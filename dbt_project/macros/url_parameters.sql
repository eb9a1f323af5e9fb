{#-
  Parameters of a URL as a Map, read as the script reads them (tracking/src/campaign.js): first those of the query, then
  those of the fragment; of a repeated name the first with a value counts, of more than 200 those that come first. Names are
  in lower case and without blanks and the rest of an `&` that was written as in HTML, `&amp;`. `;` and a second `?` separate
  as `&` does, where a parameter of a campaign follows. `+` is a space in utm_*, as forms encode it, and itself in a click
  id. Escapes that are no UTF-8, and NUL, stay as they were written.
-#}
{% macro url_parameters(url) -%}
    {%- set readable = "if(" ~ has_unreadable_escape(url) ~ ", " ~ readable_escapes(url) ~ ", " ~ url ~ ")" -%}
    {%- set separated -%}
        replaceRegexpAll(
            extract({{ readable }}, '(?s)[?#].*'),
            '(?i)(=[^/&#]*?)[;?](utm_|\\w*clid)',
            '\\1&\\2'
        )
    {%- endset -%}
    {%- set pairs = "arrayFilter(pair -> position(pair, '=') between 1 and length(pair) - 1, extractURLParameters(" ~ separated ~ "))" -%}
    {%- set name = "replaceRegexpAll(lower(decodeURLComponent(substring(pair, 1, position(pair, '=') - 1))), '.*;|\\\\W', '')" -%}
    {%- set value = "substring(pair, position(pair, '=') + 1)" -%}
    cast(
        arrayMap(
            pair -> (
                {{ name }},
                decodeURLComponent(if(startsWith({{ name }}, 'utm_'), replaceAll({{ value }}, '+', ' '), {{ value }}))
            ),
            arraySlice({{ pairs }}, 1, 200)
        ),
        'Map(String, String)'
    )
{%- endmacro %}

{#- Whether a URL has an escape that stands for no character, or for NUL. -#}
{% macro has_unreadable_escape(url) -%}
    (not isValidUTF8(decodeURLComponent({{ url }})) or position({{ url }}, '%00') > 0)
{%- endmacro %}

{#-
  A URL with `%` as `%25` in each escape that stands for no character as it is, so that decoding gives those back as
  they were written.
-#}
{% macro readable_escapes(url) -%}
    replaceAll(replaceAll({{ marked_escapes(url) }}, '%', '%25'), '\x01', '%')
{%- endmacro %}

{#-
  The escapes of a URL that stand for characters with U+0001, which no URL holds, in the place of `%`:
  sequences of 1 to 4 bytes as UTF-8 allows them (RFC 3629), but no NUL.
-#}
{% macro marked_escapes(text) -%}
    {%- set tail = '%([89aAbB][0-9a-fA-F])' -%}
    {%- set steps = namespace(sql="replaceAll(" ~ text ~ ", '\\x01', '')") -%}
    {%- for pattern in [
        '%([0-7][1-9a-fA-F]|[1-7]0)',
        '%([cC][2-9a-fA-F]|[dD][0-9a-fA-F])' ~ tail,
        '%([eE]0)%([aAbB][0-9a-fA-F])' ~ tail,
        '%([eE][1-9a-cA-CeEfF])' ~ tail ~ tail,
        '%([eE][dD])%([89][0-9a-fA-F])' ~ tail,
        '%([fF]0)%([9aAbB][0-9a-fA-F])' ~ tail ~ tail,
        '%([fF][1-3])' ~ tail ~ tail ~ tail,
        '%([fF]4)%(8[0-9a-fA-F])' ~ tail ~ tail,
    ] -%}
        {%- set marked = namespace(text='') -%}
        {%- for group in range(1, pattern.count('(') + 1) -%}
            {%- set marked.text = marked.text ~ '\\x01\\\\' ~ group -%}
        {%- endfor -%}
        {%- set steps.sql = "replaceRegexpAll(" ~ steps.sql ~ ", '" ~ pattern ~ "', '" ~ marked.text ~ "')" -%}
    {%- endfor -%}
    {{ steps.sql }}
{%- endmacro %}
