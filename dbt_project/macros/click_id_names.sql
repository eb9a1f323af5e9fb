{#- The click ids of the event contract, in its order. What each says about the click is in seeds/click_ids.csv. -#}
{% macro click_id_names() %}
    {{ return([
        'gclid', 'gclsrc', 'dclid', 'gbraid', 'wbraid', 'gad_source', 'gad_campaignid', 'fbclid', 'msclkid', 'twclid',
        'li_fat_id', 'igshid', 'ttclid', 'rdt_cid', 'epik', 'qclid', 'sccid', 'irclid', 'mc_cid', 'ctwa_clid',
        'oppref',
    ]) }}
{% endmacro %}
