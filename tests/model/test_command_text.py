import pytest

from hpcflow.model.command_text import (
    CommandTextError,
    Form,
    parse_capture_text,
    parse_command_text,
)
from hpcflow.model.schema import Capture


def forms(text):
    return [p for p in parse_command_text(text) if isinstance(p, Form)]


def test_literals_and_forms_in_order():
    text = "echo <<parameter:a>> > <<file:out>>"
    parts = parse_command_text(text)
    assert parts == (
        "echo ",
        Form("parameter", "a", offset=5, end=20),
        " > ",
        Form("file", "out", offset=23, end=35),
    )
    assert (
        "".join(p if isinstance(p, str) else text[p.offset : p.end] for p in parts) == text
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<<parameter:p>>", ("parameter", "p", (), None, None, ())),
        ("<<parameter:p.a.0.b>>", ("parameter", "p", ("a", 0, "b"), None, None, ())),
        ("<<parameter:p[one].a>>", ("parameter", "p", ("a",), "one", None, ())),
        ("<<sum(parameter:p)>>", ("parameter", "p", (), None, "sum", ())),
        (
            '<<join[delim=","](parameter:p.x)>>',
            ("parameter", "p", ("x",), None, "join", (("delim", ","),)),
        ),
        (
            '<<join[delim=" "](parameter:p)>>',
            ("parameter", "p", (), None, "join", (("delim", " "),)),
        ),
        (
            r'<<join[delim="\t\""](parameter:p)>>',
            ("parameter", "p", (), None, "join", (("delim", '\t"'),)),
        ),
        (
            "<<join[delim=';'](parameter:p)>>",
            ("parameter", "p", (), None, "join", (("delim", ";"),)),
        ),
        ("<<join[delim=]](parameter:p)>>", None),
        ("<<executable:my-prog>>", ("executable", "my-prog", (), None, None, ())),
        ("<<script:a.py>>", ("script", "a.py", (), None, None, ())),
        ("<<env:version>>", ("env", "version", (), None, None, ())),
        ("<<resource:num_cores>>", ("resource", "num_cores", (), None, None, ())),
        ("<<args>>", ("args", "", (), None, None, ())),
        ("<<script_name_no_ext>>", ("script_name_no_ext", "", (), None, None, ())),
    ],
)
def test_each_form(text, expected):
    if expected is None:
        with pytest.raises(CommandTextError):
            forms(text)
        return
    (form,) = forms(text)
    assert (
        form.kind,
        form.name,
        form.path,
        form.label,
        form.apply,
        form.options,
    ) == expected


def test_the_parameter_of_a_labelled_form():
    assert [f.parameter for f in forms("<<parameter:p[one]>> <<parameter:p>>")] == [
        "p[one]",
        "p",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "cat <<EOF\nhello\nEOF\n",
        "cat <<EOF >> out.txt\nhello\nEOF",
        "cat <<'EOF' >>out\nEOF",
        "cat <<-EOF\n\tEOF",
        'grep x <<<"$y" >>out',
        "grep x <<<word>>out",
        "echo $((1<<n)) $((2 << 3)) >> out",
        "echo $((1<<a[0]))",
        "echo a >> b; echo '>>'",
        "",
    ],
)
def test_bash_keeps_its_own_use_of_the_brackets(text):
    assert "".join(parse_command_text(text)) == text


def test_arguments_of_a_method_and_options_end_at_their_own_brackets():
    text = '<<parameter:p.f(a=1, b="x )")>><<join[delim=)](parameter:p)>>'
    method, join = parse_command_text(text)
    assert (method.method, method.options) == ("f", (("a", "1"), ("b", "x )")))
    assert (join.apply, join.options) == ("join", (("delim", ")"),))


def test_a_form_after_a_redirection_or_here_string():
    assert parse_command_text("cat <<<parameter:f>>")[0] == "cat <"
    assert parse_command_text("cat <<<<<parameter:f>>")[0] == "cat <<<"


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("a <<param:p>>", 2, "unknown form `<<param:p>>`"),
        ("a <<parameter:p>", 2, "the form is not closed by `>>`"),
        ("a <<parameter:>>", 2, "a name is missing after `parameter:`"),
        ("<<executable:>>", 0, "a name is missing after `executable:`"),
        ("<< parameter:p>>", 0, "no space may follow `<<` in a form"),
        ("<<mean(parameter:p)>>", 0, "unknown function 'mean'"),
        ("<<sum(p)>>", 0, "expected `(parameter:NAME)` after 'sum'"),
        ("<<sum(parameter:p>>", 0, "the form's `(` is not closed"),
        ("<<join[sep=1](parameter:p)>>", 0, "unknown option 'sep' of 'join'"),
        ('<<join[delim=""](parameter:p)>>', 0, "the delimiter is empty"),
        ("<<join[delim=1,delim=2](parameter:p)>>", 0, "option 'delim' is given twice"),
        ("<<join[delim](parameter:p)>>", 0, "expected `[KEY=VALUE, ...]`"),
        (
            "<<parameter:p.q.f(a=1)>>",
            0,
            "a method is that of the whole value, not of a part",
        ),
        ("<<parameter:p.f(a)>>", 0, "expected `(KEY=VALUE, ...)`"),
        ("<<sum(parameter:p.f())>>", 0, "'sum' takes a parameter, not a method's text"),
    ],
)
def test_what_is_wrong_and_where(text, offset, message):
    with pytest.raises(CommandTextError) as caught:
        parse_command_text(text)
    assert (caught.value.offset, caught.value.message) == (offset, message)


def test_an_unknown_form_tells_the_valid_ones():
    with pytest.raises(CommandTextError) as caught:
        parse_command_text("<<param:p>>")
    assert caught.value.found == "param"
    assert "parameter" in caught.value.valid


@pytest.mark.parametrize(
    ("text", "capture"),
    [
        ("out.txt", Capture(file="out.txt")),
        ("<<parameter:p>>", Capture(output="p")),
        ("<<int(parameter:p)>>", Capture(output="p", type="int")),
        (
            '<<list[item_type=int, delim=","](parameter:p)>>',
            Capture(
                output="p", type="list", options=(("item_type", "int"), ("delim", ","))
            ),
        ),
        (
            '<<array[item_type=float, delim=" "](parameter:p)>>',
            Capture(
                output="p", type="array", options=(("item_type", "float"), ("delim", " "))
            ),
        ),
    ],
)
def test_captures(text, capture):
    assert parse_capture_text(text) == capture


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<<integer(parameter:p)>>", "unknown capture type 'integer'"),
        ("<<list[item_type=integer](parameter:p)>>", "unknown item type 'integer'"),
        ("<<int[delim=1](parameter:p)>>", "unknown option 'delim' of 'int'"),
        (
            "<<executable:p>>",
            "only an output parameter can be captured into, not 'executable'",
        ),
        ("x_<<parameter:p>>.txt", "text and `<<...>>` forms can't be mixed here"),
        ("<<parameter:p.a>>", "an output is captured whole, without [label] or path"),
    ],
)
def test_bad_captures(text, message):
    with pytest.raises(CommandTextError) as caught:
        parse_capture_text(text)
    assert caught.value.message == message
