package match_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	const none = ""
	for name, test := range map[string]struct {
		commands, argv []string
		comm, cmdline  string
		want           string
	}{
		"nothing is looked for":                              {nil, nil, "idea\n", "idea\x00", none},
		"the name":                                           {[]string{"x", "idea"}, nil, "idea\n", "other\x00", "idea"},
		"the base name of argv[0]":                           {[]string{"idea"}, nil, "main\n", "/opt/ide/bin/idea\x00-x\x00", "idea"},
		"argv[0] without a path":                             {[]string{"idea"}, nil, "main\n", "idea\x00", "idea"},
		"case counts in names":                               {[]string{"Idea"}, nil, "idea\n", "/bin/idea\x00", none},
		"case counts in arguments":                           {nil, []string{"-jar Ide"}, "java\n", "java\x00-jar\x00ide\x00", none},
		"a part of the name":                                 {[]string{"ide"}, nil, "idea\n", "/bin/idea\x00", none},
		"a name inside the arguments":                        {[]string{"idea"}, nil, "vi\n", "vi\x00/home/me/idea\x00", none},
		"a folder of argv[0]":                                {[]string{"idea"}, nil, "x\n", "/opt/idea/x\x00", none},
		"a name of 15 characters":                            {[]string{"fifteen-letters"}, nil, "fifteen-letters\n", "x\x00", "fifteen-letters"},
		"a longer name, which the kernel cuts":               {[]string{"intellij-idea-ultimate"}, nil, "intellij-idea-u\n", "/opt/intellij-idea-ultimate\x00", "intellij-idea-ultimate"},
		"a name that begins like a longer one":               {[]string{"intellij-idea-ultimate"}, nil, "intellij-idea-u\n", "/opt/intellij-idea-unpaid\x00", none},
		"what the kernel leaves of a name, as a pattern":     {[]string{"intellij-idea-u"}, nil, "intellij-idea-u\n", "/opt/intellij-idea-ultimate\x00", "intellij-idea-u"},
		"a script has its own name and argv[0] of its shell": {[]string{"start.sh"}, nil, "start.sh\n", "/bin/sh\x00/opt/start.sh\x00", "start.sh"},
		"a name with blanks, brackets and line feeds":        {[]string{"a) S 1\n(b"}, nil, "a) S 1\n(b\n", "x\x00", "a) S 1\n(b"},
		"a name of one line feed":                            {[]string{"\n"}, nil, "\n\n", "x\x00", "\n"},
		"no name":                                            {[]string{"x"}, nil, "\n", "/x/\x00", none},
		"arguments across their borders":                     {nil, []string{"java -jar ide"}, "java\n", "java\x00-jar\x00ide.jar\x00", "java -jar ide"},
		"a path":                                             {nil, []string{"/opt/ide/"}, "java\n", "/opt/ide/bin/java\x00", "/opt/ide/"},
		"a blank after the last argument":                    {nil, []string{"ide "}, "x\n", "ide\x00", none},
		"an empty last argument":                             {nil, []string{"ide "}, "x\n", "ide\x00\x00", "ide "},
		"arguments without a terminator":                     {nil, []string{"a b"}, "x\n", "a\x00b", "a b"},
		"a title instead of arguments":                       {nil, []string{"worker process"}, "nginx\n", "nginx: worker process", "worker process"},
		"a title that fills the old arguments with zeros":    {nil, []string{"d: x"}, "d\n", "d: x\x00\x00\x00\x00", "d: x"},
		"arguments that were zeroed, by name":                {[]string{"idea"}, nil, "idea\n", "\x00\x00\x00", "idea"},
		"bytes that are no text":                             {nil, []string{"\xff /"}, "x\n", "\xfe\xff\x00/\xff\x00", "\xff /"},
		"a kernel thread of that name":                       {[]string{"kworker/0:1"}, []string{"kworker/0:1"}, "kworker/0:1\n", "", none},
		"a process that vanished":                            {[]string{"idea", ""}, []string{" "}, "", "", none},
		"an empty pattern":                                   {[]string{""}, []string{""}, "\n", "x/\x00", none},
		"commands come first":                                {[]string{"idea"}, []string{"/idea"}, "x\n", "/idea\x00", "idea"},
		"the first of several":                               {nil, []string{"c d", "a b"}, "x\n", "a\x00b\x00c\x00d\x00", "c d"},
		"far behind in a long command line":                  {nil, []string{"/main"}, "java\n", "java\x00" + strings.Repeat("/lib.jar:", 100_000) + "\x00/main\x00", "/main"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := match.New(reclaim.Config{Commands: test.commands, ArgvSubstrings: test.argv})
			cmdline := []byte(test.cmdline)
			got, ok := m.Match(match.Process{Comm: []byte(test.comm), Cmdline: cmdline})
			if diff := cmp.Diff(test.want, got); diff != "" || ok != (test.want != none) {
				t.Errorf("ok %t %s", ok, diff)
			}
			if string(cmdline) != test.cmdline {
				t.Error("the command line was changed")
			}
		})
	}
}

func TestPodsAreLookedAtWhenTheConfigSaysSo(t *testing.T) {
	t.Parallel()
	for _, pods := range []bool{false, true} {
		if got := match.New(reclaim.Config{MatchPods: pods}).Pods(); got != pods {
			t.Errorf("got %t", got)
		}
	}
}

// FuzzMatch compares with the words of the rule, spelled out over strings.
func FuzzMatch(f *testing.F) {
	f.Add("idea", "java -jar", "idea\n", "/bin/idea\x00-x\x00")
	f.Add("a", "a b", "\n", "a\x00b")
	f.Add("", " ", "\xff", "\x00\x00")
	f.Fuzz(func(t *testing.T, command, part, comm, cmdline string) {
		m := match.New(reclaim.Config{Commands: []string{command}, ArgvSubstrings: []string{part}})
		pattern, ok := m.Match(match.Process{Comm: []byte(comm), Cmdline: []byte(cmdline)})

		argv := strings.Split(strings.TrimSuffix(cmdline, "\x00"), "\x00")
		path := strings.Split(argv[0], "/")
		byName := command != "" && (strings.TrimSuffix(comm, "\n") == command || path[len(path)-1] == command)
		byPart := part != "" && strings.Contains(strings.Join(argv, " "), part)
		want := ""
		switch {
		case cmdline == "":
		case byName:
			want = command
		case byPart:
			want = part
		}
		if pattern != want || ok != (want != "") {
			t.Fatalf("got %q %t, want %q", pattern, ok, want)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	config := reclaim.Config{}
	for _, c := range "abcdefghijklmnopqrst" {
		config.Commands = append(config.Commands, "program-"+string(c))
		config.ArgvSubstrings = append(config.ArgvSubstrings, "java -jar /opt/"+string(c))
	}
	m := match.New(config)
	p := match.Process{Comm: []byte("firefox\n"), Cmdline: []byte(strings.Repeat("/usr/lib/firefox\x00--child\x00", 20))}
	b.ReportAllocs()
	for b.Loop() {
		m.Match(p)
	}
}
