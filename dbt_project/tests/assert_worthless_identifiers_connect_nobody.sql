with

expected as (
    select
        expectation.1 as kind,
        expectation.2 as value,
        expectation.3 as may_connect
    from (select arrayJoin([
        ('email', 'ana@x.test', true),
        ('email', 'nao@tem.com', false),
        ('email', ' Teste@Teste.com ', false),
        ('email', 'undefined', true),
        ('email', '00000000@x.test', true),
        ('external_id', 'undefined', false),
        ('external_id', 'NULL', false),
        ('external_id', 'None', false),
        ('external_id', 'n/a', false),
        ('external_id', 'NÃO', false),
        ('external_id', '', false),
        ('external_id', ' - ', false),
        ('external_id', '0000', false),
        ('external_id', '00000000-0000-0000-0000-000000000000', false),
        ('external_id', '{' || '{ user.id }' || '}', false),
        ('external_id', '${userId}', false),
        ('external_id', '[object Object]', false),
        ('external_id', 'nao@tem.com', true),
        ('external_id', '1', true),
        ('external_id', '11111111', true),
        ('external_id', 'client-0', true),
        ('external_id', '木', true),
        ('phone', '+5511987654321', true),
        ('phone', '+551187654321', true),
        ('phone', '+5511988887777', true),
        ('phone', '+5511999999998', true),
        ('phone', '+15551234567', true),
        ('phone', '+5599999999999', false),
        ('phone', '+5511999999999', false),
        ('phone', '+551199999999', false),
        ('phone', '+3547777777', false),
        ('phone', '+15555555555', false),
        ('phone', '+5511912345678', false),
        ('phone', '+551134567890', false),
        ('phone', '+550123456789', false),
        ('tracking_id', 'undefined', true)
    ]) as expectation)
)

select * from expected
where ({{ connects('kind', 'value') }}) != may_connect
