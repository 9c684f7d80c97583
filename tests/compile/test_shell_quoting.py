"""The scanner's word is bash's: what it says of a place is tried on real bash."""

import os
import shlex
import subprocess
import tempfile

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hpcflow.compile.shell_quoting import MARK, Quoting, places, splice
from hpcflow.model.command_text import CommandTextError

HOSTILE = (
    "a b",
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "* ? [a-z] ~ {x,y} !! # & | < > ( )",
    "\\",
    "\\\\n\\$x\\'",
    "a\n\tb\n\n  c",
    "${HOME} $HOME $$ $'\\x41'",
    "EOF\nEOF\n)",
    "é∆\x01\x7f",
    "-n",
    "",
    "]] )) } fi esac",
    "x='1' y=\"2\"",
)


def spliced(text):
    """The text with each marked place filled by the variable `hpc_x`."""
    found = places(text)
    return splice(text.split(MARK), ["hpc_x"] * text.count(MARK), found)


def run_bash(script, values):
    """What bash prints with each value in turn, and all its complaints.

    It runs where a file that a value's text made would be seen.
    """
    turns = [
        f"(hpc_x={shlex.quote(value)} P=${{hpc_x}}rest one=1\n{script}\n)\nprintf '\\0'\n"
        for value in values
    ]
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            ["bash", "-c", "".join(turns), "hpcflow"],
            env={"PATH": os.environ["PATH"]},
            cwd=directory,
            capture_output=True,
            timeout=60,
        )
        assert os.listdir(directory) == [], f"a value was executed in\n{script}"
    out = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return out[:-1], done.stderr.decode("utf-8", "replace")


def quotings(text):
    return [place.quoting for place in places(text)]


# -- one place of every kind; V in the expected text stands for the value

CASES = {
    "plain": ("printf %s @", "V"),
    "plain in a word": ("printf %s a@b@", "aVbV"),
    "double": ('printf %s "a @ b"', "a V b"),
    "single": ("printf %s 'a @ b'", "a V b"),
    "ansi": (r"printf %s $'a\'@\tb'", "a'V\tb"),
    "locale": ('printf %s $"@"', "V"),
    "quotes side by side": ("printf %s 'x'@\"@\"'@'", "xVVV"),
    "assignment": ('a=@; printf %s "$a"', "V"),
    "backslash before": (r"printf %s \@", "V"),
    "escaped backslash before": (r"printf %s \\@", "\\V"),
    "backslash before, double": (r'printf %s "C:\@"', "C:\\V"),
    "two backslashes before, double": (r'printf %s "C:\\@"', "C:\\V"),
    "backslash before, single": (r"printf %s 'C:\@'", "C:\\V"),
    "backslash before, ansi": (r"printf %s $'C:\@'", "C:\\V"),
    "dollar before": ("printf %s $@$", "$V$"),
    "dollar before, double": ('printf %s "US$@"', "US$V"),
    "escaped dollar before": (r'printf %s "US\$@"', "US$V"),
    "dollars before": ('printf %s "${one}$@"', "1$V"),
    "variable before": ('printf %s "$one@"', "1V"),
    "command substitution": ('printf %s "$(printf %s @; echo .)"', "V."),
    "substitution in quotes in it": ('printf %s "a$(printf \'%s\' "b@"; echo .)"', "abV."),
    "two levels": ('printf %s "$(printf %s "$(printf %s \'@\'; echo .)")"', "V."),
    "case in substitution": (
        'printf %s "$(case a in (b|c) echo no;; a) printf "%s." @;; esac)"',
        "V.",
    ),
    "case, pattern without parenthesis": (
        'printf %s "$(case a in b) echo no;; a) printf "%s." "@";; esac)" "@"',
        "V.V",
    ),
    "case over the value": ("case @ in @) printf yes;; *) printf no;; esac", "yes"),
    "subshell in substitution": ('printf %s "$( (printf %s @) ; echo .)"', "V."),
    "double parenthesis that is none": ('printf %s "$((printf %s @) ; echo .)"', "V."),
    "comment in substitution": ("printf %s \"$( # it's )\nprintf '%s.' @\n)\"", "V."),
    "backticks": ("a=`printf '%s.' @`; printf %s \"$a\"", "V."),
    "backticks in double quotes": ('printf %s "`printf %s. "@"`"', "V."),
    "backticks, escaped quotes": (r'printf %s "`printf %s. \"a @\"`"', "a V."),
    "backticks in backticks": (
        r"""a=`printf '%s' "\`printf '%s.' '@'\`"`; printf %s "$a" """,
        "V.",
    ),
    "default": ('a=${none:-@}; printf %s "$a"', "V"),
    "default in double quotes": ('printf %s "${none:-a @ b}"', "a V b"),
    "default, quoted in quotes": ('printf %s "${none:-"a @ b"}"', "a V b"),
    "default, apostrophe": ("printf %s \"${none:-'}' '@'}\"", "'}' 'V'"),
    "default, single quoted": ("a=${none:-'a @ b'}; printf %s \"$a\"", "a V b"),
    "default, ansi in quotes": (r"""printf %s "${none:-$'\t@'}" """, "\tV"),
    "alternative": ('printf %s "${one+@}"', "V"),
    "assign default": ('printf %s "${none=@}" "$none"', "VV"),
    "prefix": ('printf %s "${P#@}"', "rest"),
    "prefix, plain": ('a=${P#@}; printf %s "$a"', "rest"),
    "prefix, single": ("printf %s \"${P#'@'}\"", "rest"),
    "prefix, double": ('printf %s "${P#"@"}"', "rest"),
    "replace": ('printf %s "${one/1/@}"', "V"),
    "replace pattern": ('printf %s "${P/@/}"', "rest"),
    "here-string": ('printf %s "$(cat <<<@; echo .)"', "V\n."),
    "here-string, quoted": ('printf %s "$(cat <<<"a @"; echo .)"', "a V\n."),
    "here-document": ("cat <<EOF\na '@' \"@\"\nEOF\n", "a 'V' \"V\"\n"),
    "here-document, tabs": ("cat <<-EOF\n\ta @\n\tEOF\nprintf %s @", "a V\nV"),
    "here-document, escapes": (
        "cat <<EOF\n\\$@ \\@ \\\\@ US$@\nEOF\n",
        "$V \\V \\V US$V\n",
    ),
    "here-document, substitution": ("cat <<EOF\n$(printf '%s' '@'; echo .)\nEOF\n", "V.\n"),
    "here-document, backticks": ("cat <<EOF\n`printf '%s' \"@\"; echo .`\nEOF\n", "V.\n"),
    "here-document, default": ("cat <<EOF\n${none:-@}\nEOF\n", "V\n"),
    "here-document, prefix": ("cat <<EOF\n${P#@}\nEOF\n", "rest\n"),
    "here-document, continued line": ("cat <<EOF\na\\\nEOF\n@\nEOF\n", "aEOF\nV\n"),
    "two here-documents": ("cat - <<A /dev/fd/3 3<<B\n@\nA\nb@\nB\n", "V\n" + "bV\n"),
    "here-document, then a pipe": ("cat <<EOF | cat; printf %s @\n@\nEOF\n", "V\nV"),
    "here-document in substitution": ('printf %s "$(cat <<EOF\n@\nEOF\n)"', "V"),
    "quoted here-document before": (
        "cat <<'EOF' >/dev/null\n\"'`$(\nEOF\nprintf %s @",
        "V",
    ),
    "delimiter quoted in part": ("cat <<E'O'F >/dev/null\n\"\nEOF\nprintf %s @", "V"),
    "process substitution": ("cat <(printf %s @)", "V"),
    "redirection of a descriptor": ("{ printf %s @ >&2; } 2>&1 >/dev/null", "V"),
    "array": ('a=(x @ "y @"); printf %s "${a[1]}" "${a[2]}"', "Vy V"),
    "array with a comment": ('a=(x # it\'s\n@)\nprintf %s "${a[1]}"', "V"),
    "declared array": ('declare -a a=([2]=@); printf %s "${a[2]}"', "V"),
    "subshell": ("(printf %s @)", "V"),
    "braces": ("{ printf %s @; }", "V"),
    "function": ('f() { printf %s "$1" @; }; f @', "VV"),
    "function in a substitution": (
        'printf %s "$(f () { case $1 in a) printf %s. @;; esac; }; f a)"',
        "V.",
    ),
    "loop over words": ('for i in @ b; do printf "%s;" "$i"; done', "V;b;"),
    "loop with arithmetic": ("for ((i=0; i<2; i++)); do printf %s @; done", "VV"),
    "loop without a space": ("for((i=0; i<2; i++)); do printf %s @; done", "VV"),
    "test": ("[[ @ == @ ]] && printf yes", "yes"),
    "test, then quotes": ("[[ -n x && ! @ = \"y\" ]] && printf '%s' @", "V"),
    "test, regular expression": ("[[ a@ =~ ^a@$ ]] && printf yes", "yes"),
    "test, single bracket": ("[ @ = @ ] && printf yes", "yes"),
    "comment before": ("# it's \"here: @\nprintf %s @", "V"),
    "comment after": ("printf %s @ # it's `@\nprintf %s '@'", "VV"),
    "no comment": ("printf %s a#@", "a#V"),
    "length and special parameters": ("printf %s ${#one}$#${#}$?$!@", "1000V"),
    "indirection before": ('n=one; printf %s "${!n}@"', "1V"),
    "brace list": ("printf '%s ' {a,@}", "a V "),
    "arithmetic that shifts": ("printf %s $((1<<3))@", "8V"),
    "line continuation": ("printf %s \\\n @", "V"),
    "coded value in a pipe": ("printf %s @ | cat |& cat", "V"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_value_is_one_literal_piece_of_text(name):
    text, expected = CASES[name]
    script = spliced(text.replace("@", MARK))
    out, err = run_bash(script, HOSTILE)
    assert err == "", script
    assert out == [expected.replace("V", value) for value in HOSTILE], script


# -- arithmetic


@pytest.mark.parametrize(
    "text",
    [
        "echo $((@))",
        "echo $(( 1 + (@ * 2) ))",
        'echo "$((@))"',
        "cat <<EOF\n$((@))\nEOF\n",
        "echo $[@]",
        "((x = @)); echo $x",
        "if ((@ > 2)); then echo; fi",
        "while((@ > 2)); do break; done",
        "for ((i=0; i<@; i++)); do :; done",
        "let x=@",
        'let "x = @"',
        "a[@]=1",
        "a[b[@]]=1",
        "a[@]+=1",
        "a=([@]=1)",
        'echo "${a[@]:-1}"',
        "echo ${one:@}",
        "echo ${one:0:@}",
        "echo ${one: -@}",
        "[[ 3 -gt @ ]]",
        "[[ a == b || @ -eq 3 ]]",
        "[[ -v @ ]]",
        "declare -i n=@",
        "local -ri n=@",
    ],
)
def test_places_where_bash_computes(text):
    assert all(place.arithmetic for place in places(text.replace("@", MARK)))


@pytest.mark.parametrize(
    "text",
    [
        "echo $(echo @)",
        "[[ @ == 3 ]]",
        "[[ @ == a && 1 -eq 1 ]]",
        "[[ 1 -eq 1 && ( @ == a ) ]]",
        "[[ $(grep -c @ f) -gt 0 ]]",
        'echo $(( $(wc -l < "@") ))',
        "let x=3; echo @",
        "declare -r n=@",
        "ls a[@]",
        "a[1]=@",
        "echo a -eq @",
        "[ 1 -eq @ ]",  # reads a plain number, does not compute
        "${x:-@}",
    ],
)
def test_places_where_bash_does_not_compute(text):
    assert not any(place.arithmetic for place in places(text.replace("@", MARK)))


def test_a_number_is_computed_with():
    text = "a=(7 8 9); echo $((@ * (@ + 1))) ${a[@]} $[@] ${one:@} $(( 1 << @ ))".replace(
        "@", MARK
    )
    assert run_bash(spliced(text), ["2"]) == (["6 9 2 4\n"], "")


# -- what is refused


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("cat <<'EOF'\na @\nEOF\n", 14, "write <<EOF without quotes"),
        ('cat <<"E F"\na @\nE F\n', 14, "write <<E F without quotes"),
        ("cat <<\\EOF\na @\nEOF\n", 13, "bash expands nothing"),
        ("echo 'a @", 5, "the single quote that begins here is never closed"),
        ("echo $'a @", 5, "the single quote that begins here is never closed"),
        ('echo "a @', 5, "the double quote that begins here is never closed"),
        ('echo "a $(b @"', 13, "the double quote that begins here is never closed"),
        ("echo `a @", 5, "the backtick that begins here is never closed"),
        ("echo $(a @", 6, "the parenthesis that begins here is never closed"),
        ("a=(1 @", 2, "the parenthesis that begins here is never closed"),
        ('echo "${a:-@', 6, "the `${` that begins here is never closed"),
        ("[[ a = @ ", 0, "the `[[` that begins here is never closed"),
        ("cat <<EOF\n@\n", 4, "the here-document that begins here has no line 'EOF'"),
        ("cat <<EOF; echo @", 4, "the here-document that begins here has no line 'EOF'"),
        ("cat <<@\na\n", 6, "a here-document's delimiter can't be a value"),
        ("echo ${@}", 7, "a value can't stand for the name of a variable"),
        ("echo ${!@}", 8, "a value can't stand for the name of a variable"),
        ("echo @ \\", 7, "the text ends in a backslash"),
        ("for i in {1..@}; do :; done", 13, "write $(seq A B) instead"),
        ("for i in {@..3}; do :; done", 10, "write $(seq A B) instead"),
        ("a=({1..@})", 7, "write $(seq A B) instead"),
        ("echo `a \\@`", 9, "use $(...) instead"),
        ("echo $((\\@))", 9, "before a value that bash computes with"),
        ("echo `a 'b @`", 8, "the single quote that begins here is never closed"),
    ],
)
def test_what_has_no_place_for_a_value(text, offset, message):
    with pytest.raises(CommandTextError) as caught:
        places(text.replace("@", MARK))
    assert message in caught.value.message
    assert caught.value.offset == offset


def test_the_kind_of_each_place():
    text = "# @\necho @ \"@\" '@' $'@' $((@)) <<E\n@\nE\n".replace("@", MARK)
    assert quotings(text) == [
        Quoting.COMMENT,
        Quoting.PLAIN,
        Quoting.DOUBLE,
        Quoting.SINGLE,
        Quoting.ANSI_C,
        Quoting.ARITHMETIC,
        Quoting.HERE_DOCUMENT,
    ]


# -- random compositions of quoting around marks

LITERAL = st.text("ab 1'\"$`\\{}()<>|&;#*~!\n-=", max_size=6)


def in_single(text):
    return "'" + text.replace("'", "'\\''") + "'"


def in_double(text):
    return "".join("\\" + c if c in '"$`\\' else c for c in text)


def in_ansi(text):
    return "".join({"\\": "\\\\", "'": "\\'", "\n": "\\n"}.get(c, c) for c in text)


@st.composite
def single(draw):
    a, b = draw(LITERAL).replace("'", ""), draw(LITERAL).replace("'", "")
    return f"'{a}{MARK}{b}'", a + MARK + b


@st.composite
def ansi(draw):
    a, b = draw(LITERAL), draw(LITERAL)
    return f"$'{in_ansi(a)}{MARK}{in_ansi(b)}'", a + MARK + b


@st.composite
def double(draw, inner):
    a, b = draw(LITERAL), draw(LITERAL)
    word, meaning = draw(st.one_of(st.just((MARK, MARK)), substituted(inner)))
    return f'"{in_double(a)}{word}{in_double(b)}"', a + meaning + b


@st.composite
def substituted(draw, inner):
    """An expansion, to stand within double quotes; a full stop guards line breaks."""
    word, meaning = draw(inner)
    command = draw(
        st.sampled_from(
            [
                "printf %s. {}",
                " (printf %s. {})",
                "{{ printf %s. {}; }}",
                'printf %s. {} # it\'s a "comment" )\n',
                "# it's (\nprintf %s. {}\n",
                'a={}; printf %s. "$a"',
                'a=(x {}); printf %s. "${{a[1]}}"',
                "case x in y) :;; (x) printf %s. {};; esac",
                "case x in\n x|y) printf %s. {} ;;\nesac\n",
                'f() {{ printf %s. "$1"; }}; f {}',
                'for i in {}; do printf %s. "$i"; done',
                'if [[ {} == "" ]]; then printf .; else printf %s. {}; fi',
                "cat <(printf %s. {})",
                "printf %s. {} | cat",
                "printf %s. {} 2>&1 &>/dev/stdout",
                "cat <<'END' >/dev/null; printf %s. {}\n'\"`$(\nEND\n",
                "cat <<-END >/dev/null\n\t'\"\\`\\$(\n\tEND\nprintf %s. {}",
                ": $((1 << 2)); printf %s. {}",
                "[ -n \"${{one#'}}'}}\" ] && printf %s. {}",
            ]
        )
    ).format(*[word] * 2)
    return f"$({command})", meaning + "."


@st.composite
def default(draw, inner):
    word, meaning = draw(substituted(inner))
    return f'"${{none:-a {word}}}"', "a " + meaning


@st.composite
def here_document(draw, inner):
    body, meaning = draw(st.one_of(st.just((MARK, MARK)), substituted(inner)))
    a = "".join("\\" + c if c in "$`\\" else c for c in draw(LITERAL))
    literal = a.replace("\\$", "$").replace("\\`", "`").replace("\\\\", "\\")
    end = f"E_{len(a + body)}"  # another one than any in the body
    return f'"$(cat <<{end}\n{a}{body}.\n{end}\n)"', literal + meaning + "."


@st.composite
def backticks(draw):
    """One level only: bash's own rules for more are beyond anyone's templates."""
    a = draw(st.text("ab 1()|&;#*~!-=", max_size=5))
    form = draw(
        st.sampled_from(
            [
                "\"`printf %s. '{}{}'`\"",
                '"`printf %s. "{}{}"`"',
                '"`printf %s. \\"{}{}\\"`"',
            ]
        )
    )
    return form.format(a, MARK), a + MARK + "."


BARE = st.just((MARK, MARK))
WORD = st.recursive(
    BARE | single() | ansi() | backticks(),
    lambda inner: st.one_of(
        double(inner),
        default(inner),
        here_document(inner),
        st.tuples(inner, inner).map(
            lambda two: (two[0][0] + two[1][0], two[0][1] + two[1][1])
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WORD, min_size=1, max_size=3), st.sampled_from(HOSTILE))
def test_random_compositions(words, value):
    text = "printf '%s\\n--\\n' " + " ".join(word for word, _ in words)
    script = spliced(text)
    expected = "".join(meaning.replace(MARK, value) + "\n--\n" for _, meaning in words)
    plain = "".join(meaning.replace(MARK, "v") + "\n--\n" for _, meaning in words)
    assume(
        run_bash(text.replace(MARK, "v"), ["v"]) == ([plain], "")
    )  # else bash has its own view
    assert run_bash(script, [value]) == ([expected], ""), script
