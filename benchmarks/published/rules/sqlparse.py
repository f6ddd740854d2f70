"""Statements formatted per second."""

import sqlparse

STATEMENTS = [
    f"select a.id, b.name as name{n}, count(*) from orders a left join customers b on a.customer = b.id "
    f"where a.total > {n} and b.country in ('se', 'no', 'dk') group by a.id, b.name having count(*) > {n % 7} "
    f"order by 3 desc limit {10 + n}; insert into log (id, what) values ({n}, 'page {n % 31}'), ({n + 1}, null);"
    for n in range(8)
]
TIMES = 3


def work(times):
    return [sqlparse.format(text, reindent=True, keyword_case="upper") for _ in range(times) for text in STATEMENTS]


def test_speed(score):
    work(1)
    with score.timer("speed", per=TIMES * len(STATEMENTS)):
        made = work(TIMES)
    assert len(made) == TIMES * len(STATEMENTS) and all("LEFT JOIN" in text for text in made)
