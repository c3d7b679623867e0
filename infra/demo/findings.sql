select regexp_extract(a.asset, '[^/]*$') as object, a.question,
       case when a.status = 'answered' then a.value || coalesce(' ' || a.currency, '') else '(' || a.status || ')' end as answer,
       a.verdict, round(a.confidence, 2) as confidence, a.evidence[1].page as page,
       left(replace(a.evidence[1].quote, chr(10), ' '), 44) as evidence
from answers a
where a.level = 'asset' and (a.status = 'answered' or (a.verdict is not null and a.severity = 'high'))
order by a.status, object, a.question
