-- A host that is a source and excluded would be either, by chance.
select * from {{ ref('referrer_hosts') }}
where host in (select host from {{ ref('excluded_referrers') }})
