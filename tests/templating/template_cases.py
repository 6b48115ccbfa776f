"""Texts that are templates of alerts, for promlab and for the real Prometheus alike."""

from __future__ import annotations

VALUE = 1234567.5
LABELS = {
    "__name__": "load",
    "instance": "web-1.example.org:9100",
    "job": 'a"<b>&c',
    "path": "[::1]:80",
    "note": "",
}

WORDS = [
    "plain", "{{ $labels.instance }}", "{{ .Labels.instance }}", "{{ $.Labels.job }}",
    "{{ $labels.nope }}|{{ .Labels.nope }}", "{{ $value }}", "{{ .Value }}", "{{ . }}",
    "{{ $labels }}", "{{ $externalLabels.region }}", "{{ $externalURL }}", "{{ externalURL }}",
    "{{ pathPrefix }}", "{{ $labels.__name__ }}", "{{ len $labels }}", "{{ .Nope }}",
    "{{ $labels.instance.nope }}", "{{ $value.nope }}", "{{ index $labels \"job\" }}",
    "{{ index $labels \"nope\" }}!", "{{ index $labels 1 }}",
    "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
    "{{ with $labels.nope }}yes{{ else }}no{{ end }}",
    "{{ with $labels.instance }}{{ . }}{{ else }}no{{ end }}",
    "{{ with $labels.nope }}a{{ else with $labels.job }}b{{ . }}{{ else }}c{{ end }}",
    "{{ if gt $value 1.0 }}big{{ else if eq $value 0.0 }}none{{ else }}small{{ end }}",
    "{{ if gt $value 1 }}big{{ end }}", "{{ if and $value (ne $labels.job \"x\") }}y{{ end }}",
]  # fmt: skip

NUMBERS = [
    "0", "0.0", "1", "-1", "0.5", "1000", "999.9999", "1234567", "1048576", "0.12", "0.00012",
    "1e-30", "1e30", "-1e5", "90061", "3599", "61.5", "59.94", "0.1", "-0.1", "-90061", "1e9",
    "1435065584.128", "123456789012", '"1234"', '"abc"', '"NaN"', '"+Inf"', '"-Inf"', '"0x1p4"',
    "true", "1e25", "1023", "1024.5", "0.1234567", "0.99999", "999999", "1e6", "12345.678",
]  # fmt: skip
HUMANIZERS = [
    "humanize", "humanize1024", "humanizeDuration", "humanizePercentage", "humanizeTimestamp",
    "toTime", "toDuration", "print", 'printf "%v %g %e %.3f %8.2e|"', 'printf "%d"',
    'printf "%6.1f|%-9v|%+v|%x"', "len", "not", "html",
]  # fmt: skip

TEXTS = [
    '{{ title "hello wORLD foo-bar it\'s a_b 1st über" }}', '{{ toUpper "straße ǆ" }}',
    '{{ toLower "ÀÉ İ" }}', '{{ match "a.c" "xxabcxx" }}', '{{ match "^a.c$" "xxabcxx" }}',
    '{{ match "a.c" "a\\nc" }}', '{{ match "[" "a" }}', '{{ reReplaceAll "(a)(b)" "$2$1" "abab" }}',
    '{{ reReplaceAll "(?P<x>a)" "${x}1-$1x-$$" "aba" }}', '{{ reReplaceAll "[" "" "a" }}',
    '{{ reReplaceAll "x*" "-" "abxc" }}', '{{ stripPort "a.b:80" }}', '{{ stripPort "[::1]:80" }}',
    '{{ stripPort "::1" }}', '{{ stripPort "a" }}', '{{ stripPort $labels.path }}',
    '{{ stripDomain "a.b.c:80" }}', '{{ stripDomain "a.b.c" }}', '{{ stripDomain "1.2.3.4:80" }}',
    '{{ stripDomain "[::1]:80" }}', '{{ stripDomain "1.2.3.4" }}', '{{ stripDomain "a:b:c" }}',
    '{{ graphLink "up{a=\\"b c\\"} + 1" }}', '{{ tableLink "up" }}', '{{ urlQueryEscape "a b&c/d~" }}',
    '{{ safeHtml "<a>" }}', '{{ "<a>" | html }}', '{{ js "<a b=\'c\'>\\n\\u2028é" }}',
    '{{ urlquery "a b" 1 }}', '{{ parseDuration "1h30m" }}', '{{ parseDuration "1x" }}',
    '{{ print "a" 1 2 "b" 3 nil true }}', '{{ println "a" 1 2 "b" }}', '{{ printf "%q" "a\\tb\\"é\\x01" }}',
    '{{ printf "%5t|%-6q|%06d|%+.2e|%x|%X|% x" true "a" -42 12345.678 "hi" "hi" "hi" }}',
    '{{ printf "%d %s" "x" 1 }}', '{{ printf "%d" }}', '{{ printf "a" 1 "b" }}', '{{ printf "%" }}',
    '{{ printf "%!" }}', '{{ printf "%z" 1 }}', '{{ printf "%[2]d %[1]d" 1 2 }}', '{{ printf "%*d|" 5 1 }}',
    '{{ printf "%[5]d" 1 }}', '{{ printf "%.3s|%.1q" "abcdef" "xyz" }}', '{{ printf "%c %U %q" 233 233 233 }}',
    '{{ printf "%b %o %O %#x %#o" 5 64 64 255 8 }}', '{{ printf "%T %T %T %T %T" 1 1.5 "a" true nil }}',
    '{{ printf "%T %T" $labels . }}', '{{ printf "%v %s %d" $labels $labels $labels }}',
    '{{ printf "%08.3f|%+d|% d|%x" 3.14159 5 5 -255 }}', '{{ printf "%6.2f%%" 12.345 }}',
    '{{ printf "%g %g %G %v" 100000.0 1000000.0 1e-7 1e-5 }}', '{{ printf "%.3g %.10g %g" 1234.5 0.1 1e100 }}',
    '{{ printf "%t" 1 }}', '{{ printf "%s" 1.5 }}', '{{ printf "%v" nil }}', '{{ printf "%s" nil }}',
    '{{ printf "%5.1f|%-8s|%8s|" 2.25 "ab" "cd" }}', '{{ printf "%e %E %.0f %.0e" 0.0 1.0 2.5 15.0 }}',
    '{{ eq 1 2 1 }}', '{{ eq 1 1.0 }}', '{{ eq "a" "a" }}', '{{ ne 1 2 }}', '{{ lt 1 2 }}', '{{ le "a" "b" }}',
    '{{ gt 1.5 1.5 }}', '{{ ge 2 1 }}', '{{ lt true false }}', '{{ eq true true }}', '{{ eq $labels $labels }}',
    '{{ eq nil nil }}', '{{ eq $labels.nope "" }}', '{{ eq 1 }}', '{{ lt 1 "a" }}', '{{ lt nil 1 }}',
    '{{ and 1 0 2 }} {{ or 0 "" "x" }} {{ and }}', '{{ and 1 0 2 }} {{ or 0 "" "x" }} {{ or 0 0.0 }}',
    '{{ not "" }} {{ not 0 }} {{ not $labels }}', '{{ and true (lt 1 "a") }}', '{{ or true (lt 1 "a") }}',
    '{{ index "abc" 1 }}', '{{ index "abc" 5 }}', '{{ index nil 1 }}', '{{ index 5 1 }}', '{{ index $labels nil }}',
    '{{ slice "abcdef" 1 3 }}', '{{ slice "abcdef" 2 }}', '{{ slice "abcdef" 3 1 }}', '{{ slice "abc" 0 9 }}',
    '{{ slice 1 }}', '{{ slice "abc" 0 1 2 }}', '{{ len "é" }}', '{{ len nil }}', '{{ len 3 }}', '{{ len }}',
    '{{ call $labels }}', '{{ call 1 }}', '{{ toUpper 5 }}', '{{ toUpper $value }}', '{{ toUpper }}',
    '{{ toUpper "a" "b" }}', '{{ parseDuration 5 }}', '{{ toUpper nil }}', '{{ toUpper true }}',
    '{{ $labels 1 }}', '{{ 1 2 }}', '{{ "a" | $value }}', '{{ .Value "a" }}', '{{ $labels.job "a" }}',
    '{{ args 1 "a" }}', '{{ (args 1 "a").arg1 }}', '{{ (args 1).nope }}', '{{ (args 1).nope.more }}',
    '{{ (toTime 1435065584.128).Year }}', '{{ (toTime 1435065584.128).Format "Mon, 02 Jan 2006 15:04:05.000 MST" }}',
    '{{ (toTime 1e9).Format "2006-1-2 3:04PM Monday January _2 06 Z07:00 -0700" }}', '{{ (toTime 0).Unix }}',
    '{{ (toTime 1e9).Weekday }} {{ (toTime 1e9).Month }} {{ printf "%d" (toTime 1e9).Month }}',
    '{{ (toDuration 3661.5).Hours }} {{ (toDuration 90).String }} {{ toDuration 0.0015 }} {{ toDuration -1e-7 }}',
    '{{ (toTime 1e9).Sub (toTime 5e8) }}', '{{ (toTime 1e9).Add (toDuration 60) }}', '{{ (toTime 1e9).Nope }}',
    '{{ ((toTime 1e9).AddDate 0 1 -1).Format "2006-01-02" }}', '{{ printf "%T %T" (toTime 1) (toDuration 1) }}',
]  # fmt: skip

LANGUAGE = [
    "a{{- 1 -}} b", "a {{- 1 }} b", "a {{ 1 -}} b", "a {{- /* c */ -}} b", "a{{/* c */}}b", "{{ 1 -1 }}",
    "{{ -1 }}", "{{ 1\n}}", "{{ (1) }}", "{{ ((toUpper \"a\")) }}", '{{ "a" | toUpper | printf "%s-%s" "b" }}',
    "{{ $x := 1 }}{{ $x }}{{ $x = 2 }}{{ $x }}", "{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}",
    "{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "{{ if $x := 5 }}{{ $x }}{{ end }}",
    "{{ range 3 }}{{ . }},{{ end }}", "{{ range $i := 3 }}{{ $i }},{{ end }}", "{{ range 0 }}a{{ else }}b{{ end }}",
    "{{ range $i, $e := 3 }}{{ $i }}{{ $e }},{{ end }}", "{{ range 1.5 }}a{{ end }}", '{{ range "abc" }}a{{ end }}',
    "{{ range nil }}a{{ else }}b{{ end }}", "{{ range $k := $labels }}{{ $k }};{{ end }}",
    "{{ range $i, $e := (args 1 2 3) }}{{ if eq $e 2 }}{{ continue }}{{ end }}{{ $i }}{{ $e }};{{ end }}",
    "{{ range 5 }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}",
    "{{ range 2 }}{{ range 2 }}{{ $ }}{{ end }}{{ end }}",
    "{{ $n := 0 }}{{ range $i, $n = 3 }}{{ end }}{{ $n }}",
    '{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" 5 }}{{ template "t" }}', '{{ template "nope" }}',
    '{{ block "b" 7 }}<{{ . }}>{{ end }}{{ template "b" 8 }}',
    '{{ define "r" }}{{ if . }}{{ . }}{{ template "r" (slice . 1) }}{{ end }}{{ end }}{{ template "r" "abc" }}',
    "{{ 'a' }} {{ '\\n' }} {{ 0x1F }} {{ 0b11 }} {{ 0o17 }} {{ 017 }} {{ 1_000 }} {{ 1e3 }} {{ .5 }} {{ 0x1p-2 }}",
    "{{ 9223372036854775807 }}", "{{ `raw \\n \"x\"` }}", '{{ "\\u00e9\\x41\\101\\U0001F600" }}', "{{ true }} {{ false }}",
    "{{ nil }}", "{{ . | printf \"%T\" }}", "{{ $ | printf \"%T\" }}", "line1\n{{ .Labels.a.b }}", "é {{ $labels.a.b }}",
    '{{ with (query "vector(3)") }}{{ . | first | value }}{{ end }}', '{{ query "vector(3)" }}',
    '{{ range query "label_replace(vector(3), \\"a\\", \\"b\\", \\"\\", \\"\\")" }}{{ .Labels.a }} {{ .Value }} {{ label "a" . }}|{{ label "z" . }}|{{ end }}',
    '{{ query "nope" | first }}', '{{ query "1 +" }}', '{{ query "7" | first | value | humanize }}',
    '{{ (query "vector(1) or label_replace(vector(2), \\"a\\", \\"b\\", \\"\\", \\"\\")" | sortByLabel "a" | first).Value }}',
    '{{ first 1 }}', '{{ value 1 }}', '{{ label "a" 1 }}', '{{ strvalue (first (query "vector(1)")) }}|',
    '{{ len (query "vector(1)") }} {{ index (query "vector(1)") 0 }}', '{{ (query "vector(1)").Nope }}',
    '{{ printf "%T %T" (query "vector(1)") (first (query "vector(1)")) }}', '{{ query 5 }}',
    "{{ humanize }}", "{{ now | humanizeTimestamp | len }}", "{{ if 0 }}a{{ else }}{{ end }}b",
    "{{ else_ }}"[:0] + "x{{ if true }}\n  y\n{{- end }}\n z", "{{- \"a\" -}}\n\n{{- \"b\" -}}",
]  # fmt: skip

# ruff: noqa: E501  (one case a line)

# Functions that the server which tests compare with is too old for.
NEWER = ("toDuration", "urlQueryEscape", "now ")

_ALL = [
    *WORDS,
    *(f"{{{{ {n} | {h} }}}}" for h in HUMANIZERS for n in NUMBERS),
    *TEXTS,
    *LANGUAGE,
]

# Where Go's answer is an accident (overflow, an address, a panic) or a newer version's
# wording is followed, promlab differs.
DIFFERENT = {
    "{{ 1e30 | humanizeDuration }}",
    "{{ 1e25 | humanizeDuration }}",
    '{{ parseDuration "1x" }}',
    "{{ len nil }}",
    "{{ call $labels }}",
    "{{ call 1 }}",
    '{{ query "vector(3)" }}',
}
CASES = [text for text in _ALL if text not in DIFFERENT and not any(name in text for name in NEWER)]

BAD = [
    "{{", "{{ }}", "{{ nope }}", "{{ $nope }}", "{{ if }}a{{ end }}", "{{ if 1 }}a", "{{ end }}", "{{ else }}",
    "{{ 1 | 2 }}", "{{ 1a }}", '{{ "a }}', "{{ `a }}", "{{ 'ab' }}", "{{ 'a }}", "{{ (1 }}", "{{ 1) }}",
    "{{ /* a }}", "{{/* a }}", "{{/* a */ b }}", "{{ . . | }}", "{{ | 1 }}", "{{ $x, $y := 1 }}", "{{ range $a, $b, $c := 1 }}{{end}}",
    "{{ break }}", "{{ range 1 }}{{ break 1 }}{{ end }}", "{{ template }}", "{{ template 1 }}", '{{ define "a" }}', "{{ define }}{{end}}",
    '{{ define "t" }}{{ $labels }}{{ end }}x', '{{ if 1 }}{{ define "a" }}{{ end }}{{ end }}', "{{ 1.a }}", '{{ "a".b }}', "{{ nil.a }}", "{{ true.a }}", "{{ ..a }}", "{{ .a.b..c }}",
    "{{ a.b }}", "{{ 99999999999999999999 }}", "{{ 1__0 }}", "{{ \\ }}", "{{ a-b }}", "{{ $a-b }}", "{{ . : 1 }}",
    "{{ if 1 }}a{{ else }}b{{ else }}c{{ end }}", "{{ with 1 }}{{ else if 1 }}{{ end }}", '{{ "\\z" }}', "{{ % }}", "{{ block \"a\" }}{{end}}",
    "a\nb {{ nope }}", "{{ if 1 }}{{ end }}{{ end }}", "{{ continue }}", "{{ range 1 }}{{ else }}{{ break }}{{ end }}", "{{ $labels.a.b := 1 }}",
    '{{ define "a" }}x{{ end }}{{ define "a" }}y{{ end }}', "{{ 0x }}", "{{ 1.2.3 }}", "{{$x:=1}}{{$x}}{{$xy}}", "{{ ,1 }}", "{{ 1,2 }}",
]  # fmt: skip
