"""Pages rendered per second."""

import mistune

PAGE = "\n\n".join(
    f"## Chapter {n}\n\nSome *emphasis*, some **strength** and `code {n}`, [a link](https://example.org/{n} 't') and\n"
    f"![an image](/pictures/{n}.png).\n\n- first of {n}\n- second\n  - nested\n\n1. one\n2. two\n\n> quoted {n}\n\n"
    f"```python\nprint({n})\n```\n\n---\n\nA line with <b>html</b> &amp; an entity.  \nA second one."
    for n in range(6)
)
TIMES = 50


def work(times):
    return [mistune.html(PAGE) for _ in range(times)]


def test_speed(score):
    work(1)
    with score.timer("speed", per=TIMES):
        made = work(TIMES)
    assert len(made) == TIMES and all(page.count("<h2>") == 6 for page in made)
