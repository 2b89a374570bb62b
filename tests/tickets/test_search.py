"""Finding tickets by words: what is found, in which order, how it is marked, and what nobody may find out."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from django.utils import timezone

from apps.core.actors import Actor
from apps.tickets import conversation, finding
from apps.tickets.models import Ticket
from apps.users.models import UserType
from tests.conftest import person

INCIDENTS, TICKETS = "/api/v1/incidents/", "/api/v1/tickets/"
ODD = [
    "'", "''", "\\", "\\'", "a\\", "a'b", "&", "|", "!", "!!!", "a & | b", "<->", "a <-> ", "(", ")", "foo:", "foo:*", ":*", "*",
    "a:ABCD", "%", "_", "--", "/*", "-", "e-mail", "user@example.org", "http://a.example/b?c=d", "1.5e300", "𝔘𝔫𝔦", "ﬁ",
    "İstanbul", "\u200b", "\ue000mark\ue001", "x" * 200, "a " * 100, "\t", "a\nb", "<b>", "$$", "{}", "NULL", "🖨",
]  # fmt: skip


def opened(client, **values):
    answer = client.post(INCIDENTS, values)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def say(tenant, user, ticket, body, visibility="public"):
    with tenant.entered():
        actor = user if isinstance(user, Actor) else tenant.system
        conversation.add_comment(
            Ticket.objects.get(pk=ticket["id"]), actor=actor, at=timezone.now(), body=body, visibility=visibility
        )


def titles(client, words, address=TICKETS, **query):
    answer = client.get(address, {"search": words, **query})
    assert answer.status_code == 200, answer.json()
    return [row["title"] for row in answer.json()["results"]]


def test_a_ticket_is_found_by_number_title_description_and_comments_in_either_list(acme, alice, api):
    agent = api(alice)
    printer = opened(agent, title="Printer jams", description="Tray two eats the paper")
    opened(agent, title="Mail is down")
    say(acme, None, printer, "The fuser was replaced")

    for words in (
        "INC0000001",
        "inc0000001",
        "printer",
        "PRINTER jams",
        "paper",
        "fuser",
        "fuser printer tray",
        "prin",
        "eats pap",
    ):
        for address in (TICKETS, INCIDENTS):
            assert titles(agent, words, address) == ["Printer jams"], words
    for words in ("fuser mail", "rinter", "toner", "prin jams"):
        assert titles(agent, words) == [], words
    assert set(titles(agent, "INC00000")) == {"Printer jams", "Mail is down"}


def test_letters_are_found_without_their_accents_and_whatever_their_case(acme, alice, api):
    opened(api(alice), title="Das Büro in Zürich")

    for words in ("buro", "BÜRO", "zurich", "züri"):
        assert titles(api(alice), words) == ["Das Büro in Zürich"], words


def test_the_number_that_was_given_comes_first_then_titles_before_texts_then_the_newest(acme, alice, api):
    agent = api(alice)
    opened(agent, title="The one")
    opened(agent, title="Other", description="INC0000001 INC0000001 again, as in INC0000001")
    opened(agent, title="In a text", description="Long words about the vpn before anything else")
    opened(agent, title="vpn")
    opened(agent, title="vpn")

    assert titles(agent, "INC0000001") == ["The one", "Other"]
    assert titles(agent, "vpn") == ["vpn", "vpn", "In a text"]
    numbers = [row["number"] for row in agent.get(TICKETS, {"search": "vpn"}).json()["results"]]
    assert numbers == ["INC0000005", "INC0000004", "INC0000003"]


@pytest.mark.bar(42)
@pytest.mark.asvs("1.2.4")
def test_no_input_is_an_error_nor_an_operator(acme, alice, api):
    agent = api(alice)
    opened(agent, title="Nothing odd here")

    for words in ODD:
        answer = agent.get(TICKETS, {"search": words})
        assert answer.status_code == 200, (words, answer.json())
    assert titles(agent, "!zebra") == []
    assert titles(agent, "zebra | odd") == []
    assert titles(agent, "   ") == ["Nothing odd here"]
    refused = agent.get(TICKETS, {"search": "x" * 201})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/search")


def test_hits_are_narrowed_by_the_filters_and_ordered_as_asked(acme, alice, api):
    agent = api(alice)
    for number in range(3):
        opened(agent, title=f"vpn {number}", impact=1 + number)

    assert titles(agent, "vpn", impact=2) == ["vpn 1"]
    assert titles(agent, "vpn", status="closed") == []
    assert titles(agent, "vpn", ordering="opened_at") == ["vpn 0", "vpn 1", "vpn 2"]
    assert titles(agent, "vpn", ordering="-opened_at", page_size=2) == ["vpn 2", "vpn 1"]


@pytest.mark.parametrize("ordering", [{}, {"ordering": "-opened_at"}])
def test_pages_of_hits_hold_each_once_in_both_directions_though_one_is_added_meanwhile(acme, alice, api, ordering):
    agent = api(alice)
    for number in range(7):
        opened(agent, title=f"vpn {number}", description="vpn " * (number % 3))
    whole = titles(agent, "vpn", **ordering)

    page = agent.get(TICKETS, {"search": "vpn", "page_size": 3, **ordering}).json()
    opened(agent, title="vpn", description="vpn vpn vpn vpn")
    walked, back = [row["title"] for row in page["results"]], []
    while page["next"]:
        page = agent.get(TICKETS, dict(parse_qsl(urlsplit(page["next"]).query))).json()
        walked += [row["title"] for row in page["results"]]
    while page["previous"]:
        page = agent.get(TICKETS, dict(parse_qsl(urlsplit(page["previous"]).query))).json()
        back = [row["title"] for row in page["results"]] + back

    assert walked == whole
    assert back[-4:] == whole[2:6]
    assert len(set(back)) == len(back)


def test_a_cursor_of_ranked_hits_is_no_other_lists_and_cannot_be_made_up(acme, alice, api):
    agent = api(alice)
    for number in range(3):
        opened(agent, title=f"vpn {number}")
    link = agent.get(TICKETS, {"search": "vpn", "page_size": 1}).json()["next"]
    cursor = dict(parse_qsl(urlsplit(link).query))["cursor"]

    for query in (
        {"cursor": cursor},
        {"cursor": cursor, "search": "vpn", "ordering": "number"},
        {"search": "vpn", "cursor": "x"},
    ):
        assert agent.get(TICKETS, query).status_code == 400, query


def test_the_count_is_of_all_hits_and_of_nobody_elses(acme, globex, alice, bob, mallory, api):
    for number in range(4):
        opened(api(alice), title=f"vpn {number}")
    opened(api(bob), title="vpn of bob")
    opened(api(mallory), title="vpn next door")

    for user, count in ((alice, 5), (bob, 1), (mallory, 1)):
        for query in ({}, {"ordering": "-opened_at"}, {"page_size": 1}):
            answer = api(user).get(TICKETS, {"search": "vpn", "count": "true", **query}).json()
            assert answer["count"] == count, (user, query)


def test_the_count_goes_beyond_what_is_ranked(acme, alice, api, monkeypatch):
    monkeypatch.setattr("apps.tickets.api.searching.MOST_RANKED", 2)
    for number in range(4):
        opened(api(alice), title=f"vpn {number}")

    answer = api(alice).get(TICKETS, {"search": "vpn", "count": "true"}).json()

    assert (len(answer["results"]), answer["count"]) == (2, 4)


def test_nobody_loses_a_hit_because_others_have_newer_ones(acme, alice, bob, api, monkeypatch):
    monkeypatch.setattr("apps.tickets.api.searching.MOST_RANKED", 2)
    opened(api(bob), title="vpn of bob", impact=1)
    for number in range(4):
        opened(api(alice), title=f"vpn {number}")

    assert titles(api(bob), "vpn") == ["vpn of bob"]
    assert titles(api(alice), "vpn", impact=1) == ["vpn of bob"]
    assert titles(api(alice), "vpn", requester=str(bob.pk), address=INCIDENTS) == ["vpn of bob"]
    assert titles(api(alice), "vpn") == ["vpn 3", "vpn 2"]


def test_hits_are_marked_in_title_and_text_and_nothing_else_is_markup(acme, alice, api):
    agent = api(alice)
    ticket = opened(
        agent,
        title='<script>alert("vpn")</script> & vpn',
        description="Start. "
        + "filler " * 200
        + "<img src=x onerror=alert(1)> the Tunnel & \ue000more\ue001 "
        + "filler " * 200,
    )
    say(acme, None, ticket, "Seen on the <gateway>")

    def highlight(words):
        (row,) = agent.get(TICKETS, {"search": words}).json()["results"]
        return row["highlight"]

    assert highlight("vpn")["title"] == (
        "&lt;script&gt;alert(&quot;<mark>vpn</mark>&quot;)&lt;/script&gt; &amp; <mark>vpn</mark>"
    )
    text = highlight("tunn")["text"]
    assert "<mark>Tunnel</mark> &amp; more" in text
    assert "<img" not in text
    assert len(text) < 600
    assert highlight("gateway")["text"] == "Seen on the &lt;<mark>gateway</mark>&gt;"
    assert "highlight" not in agent.get(TICKETS).json()["results"][0]
    assert list(agent.get(TICKETS, {"search": "vpn", "fields": "number"}).json()["results"][0]) == ["number"]


def test_the_title_is_marked_exactly(acme, alice, api):
    opened(api(alice), title="Printer & <printer> jam")

    (row,) = api(alice).get(TICKETS, {"search": "print"}).json()["results"]

    assert row["highlight"]["title"] == "<mark>Printer</mark> &amp; &lt;<mark>printer</mark>&gt; jam"


def test_what_is_said_internally_is_found_by_those_who_read_it_and_cannot_be_guessed_by_others(acme, alice, bob, api):
    ticket = opened(api(bob), title="Slow laptop", description="It takes minutes")
    say(acme, None, ticket, "suspect malware zeus on it", visibility="internal")
    say(acme, None, ticket, "We look into it")

    (row,) = api(alice).get(TICKETS, {"search": "zeus"}).json()["results"]
    assert row["highlight"]["text"] == "suspect malware <mark>zeus</mark> on it"
    for words in ("zeus", "zeu", "z", "malware", "laptop zeus", "slow malware", "suspect"):
        for query in ({}, {"ordering": "-opened_at"}, {"count": "true"}):
            answer = api(bob).get(INCIDENTS, {"search": words, **query}).json()
            assert (answer["results"], answer.get("count", 0)) == ([], 0), (words, query)
    with_it = api(bob).get(TICKETS, {"search": "laptop"}).json()
    assert with_it["results"][0]["highlight"] == {
        "title": "Slow <mark>laptop</mark>", "text": "It takes minutes",
    }  # fmt: skip
    assert "zeus" not in str(with_it)
    assert titles(api(bob), "look") == ["Slow laptop"]


def test_an_internal_word_moves_no_hit_of_those_who_do_not_read_it(acme, alice, bob, api):
    """Two tickets of equal public words: the order must not tell which has the word inside."""
    first, second = (opened(api(bob), title="Laptop", description="slow") for _ in range(2))
    before = [row["id"] for row in api(bob).get(TICKETS, {"search": "laptop"}).json()["results"]]
    say(acme, None, first, "laptop laptop laptop", visibility="internal")

    after = [row["id"] for row in api(bob).get(TICKETS, {"search": "laptop"}).json()["results"]]

    assert before == after == [second["id"], first["id"]]


def test_participants_find_their_own_and_what_they_watch_and_next_door_finds_nothing(
    acme, globex, alice, bob, mallory, api
):
    opened(api(alice), title="secret merger")
    opened(api(bob), title="secret santa")

    assert titles(api(bob), "secret") == ["secret santa"]
    assert set(titles(api(alice), "secret")) == {"secret merger", "secret santa"}
    assert titles(api(mallory), "secret") == []
    other = person(acme, "erin", UserType.END_USER)
    assert titles(api(other), "secret") == []


def test_what_is_deleted_is_not_found_and_what_is_changed_is_found_by_its_new_words(acme, alice, dan, api):
    ticket = opened(api(alice), title="Old words")
    api(alice).patch(f"{INCIDENTS}{ticket['id']}/", {"title": "New phrase"})

    assert (titles(api(alice), "old"), titles(api(alice), "phrase")) == ([], ["New phrase"])
    assert api(dan).delete(f"{INCIDENTS}{ticket['id']}/").status_code == 204
    assert titles(api(alice), "phrase") == []


def test_words_are_quoted_for_the_database():
    words = finding.Words("it's a\\b", is_internal=False)

    assert words.query() == "'it''s' & 'a\\\\b':*"


CJK = [chr(0x4E00 + n) for n in range(20_000)]


def compounds(first):
    """100,000 characters of words that are all different, each part of a compound."""
    words = (f"{CJK[(first + n) % 20_000]}-{CJK[(first + 7 * n) % 20_000]}{CJK[n % 20_000]}" for n in range(20_000))
    return " ".join(words)[:100_000]


def test_no_text_is_too_much_for_the_index_and_the_newest_words_are_found(acme, alice, api):
    agent = api(alice)
    ticket = opened(agent, title="Printer jams", description=compounds(0)[:50_000])
    for first, visibility in ((1, "public"), (2, "internal"), (3, "public"), (4, "internal")):
        body = {"body": compounds(first * 3000), "visibility": visibility}
        assert agent.post(f"{TICKETS}{ticket['id']}/comments/", body).status_code == 201
    for word, visibility in (("lastpublic", "public"), ("lastinternal", "internal")):
        said = agent.post(f"{TICKETS}{ticket['id']}/comments/", {"body": word, "visibility": visibility})
        assert said.status_code == 201
        assert titles(agent, word) == ["Printer jams"]


def test_however_much_was_said_before_the_newest_words_are_found(acme, alice, api):
    agent = api(alice)
    ticket = opened(agent, title="Printer jams")
    for _ in range(2):
        say(acme, None, ticket, "früher " * 14_280)
    say(acme, None, ticket, "a-b " * 11_000 + "lastword")

    assert titles(agent, "lastword") == ["Printer jams"]
