{#-
  Parameters of a URL as a Map, decoded as a browser decodes a form; of a repeated one the first counts, of more than
  200 those that come first. What a decoded text may not hold (escapes that are no UTF-8, NUL) stays as it was written.
-#}
{% macro url_parameters(url) -%}
    {%- set pairs = "arraySlice(extractURLParameters(" ~ url ~ "), 1, 200)" -%}
    mapFromArrays(
        arrayMap(pair -> {{ decoded_component("splitByChar('=', pair)[1]") }}, {{ pairs }}),
        arrayMap(pair -> {{ decoded_component("substring(pair, length(splitByChar('=', pair)[1]) + 2)") }}, {{ pairs }})
    )
{%- endmacro %}

{#- A URL component decoded; escapes that cannot be are left as they are, and those beside them decoded. -#}
{% macro decoded_component(text) -%}
    {%- set decoded = "decodeURLFormComponent(" ~ text ~ ")" -%}
    if(
        isValidUTF8({{ decoded }}) and position({{ decoded }}, '\0') = 0,
        {{ decoded }},
        decodeURLFormComponent({{ readable_escapes(text) }})
    )
{%- endmacro %}

{#-
  The escapes of a URL component that stand for characters as they are, `%` of all others as `%25`, so that decoding
  gives those back as they were written.
-#}
{% macro readable_escapes(text) -%}
    replaceAll(replaceAll({{ marked_escapes(text) }}, '%', '%25'), '\x01', '%')
{%- endmacro %}

{#- Whether a URL has an escape that stands for no character. -#}
{% macro has_unreadable_escape(url) -%}
    match({{ marked_escapes(url) }}, '%[0-9a-fA-F]{2}')
{%- endmacro %}

{#-
  The escapes of a URL component that stand for characters with U+0001, which no URL holds, in the place of `%`:
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
