package form

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func words(t *testing.T, line string) []string {
	t.Helper()
	split, ok := shellWords(strings.TrimPrefix(line, "ctys "))
	if !ok {
		t.Fatalf("%s: no shell would take it", line)
	}
	return split
}

// The lines of the manual's PM pages that must run verbatim.
func TestManualLines(t *testing.T) {
	for _, test := range []struct {
		line, wantType, action, subopts string
		targets                         []string
	}{
		{"ctys -t pm -a create=wol,t:hostX,broadcast:hostXDirectedCast lab01", "pm", "create", "wol,t:hostX,broadcast:hostXDirectedCast", []string{"lab01"}},
		{"ctys -t pm -a create=wol,t:hostX,broadcast:192.168.3.251:4711 lab01", "pm", "create", "wol,t:hostX,broadcast:192.168.3.251:4711", []string{"lab01"}},
		{"ctys -t pm -a create=CONSOLE:cli", "pm", "create", "CONSOLE:cli", nil},
		{"ctys -t pm -a cancel=l:tst100,POWEROFF:0 lab01", "pm", "cancel", "l:tst100,POWEROFF:0", []string{"lab01"}},
		{"ctys -t xen -a cancel=l:tst100,force,POWEROFF:0 lab01", "xen", "cancel", "l:tst100,force,POWEROFF:0", []string{"lab01"}},
		{"ctys -t xen -a cancel=l:tst100,POWEROFF,wol lab01", "xen", "cancel", "l:tst100,POWEROFF,wol", []string{"lab01"}},
		{"ctys -t xen -a cancel=l:tst100,POWEROFF,wol,broadcast: lab01", "xen", "cancel", "l:tst100,POWEROFF,wol,broadcast:", []string{"lab01"}},
		{"ctys -t pm -a cancel=wol,self,stack,poweroff:0 -Z KSU hostX'(-Z SUDO)'", "pm", "cancel", "wol,self,stack,poweroff:0", []string{"hostX(-Z SUDO)"}},
		{"ctys -t pm -a cancel=self,force,wol,poweroff:0,timeout:0 -z 2 wol1@lab01'(-Z sudo)'", "pm", "cancel", "self,force,wol,poweroff:0,timeout:0", []string{"wol1@lab01(-Z sudo)"}},
		{"ctys -t pm -a cancel=l:tst001,REBOOT lab01", "pm", "cancel", "l:tst001,REBOOT", []string{"lab01"}},
		{"ctys -t pm -a cancel=l:tst001,REBOOT,SELF lab01", "pm", "cancel", "l:tst001,REBOOT,SELF", []string{"lab01"}},
		{"ctys -t xen -a cancel=l:tst100,REBOOT,FORCE lab01", "xen", "cancel", "l:tst100,REBOOT,FORCE", []string{"lab01"}},
		{"ctys -t PM -a cancel=l:tst100,INIT:0 lab01", "pm", "cancel", "l:tst100,INIT:0", []string{"lab01"}},
		{"ctys -t pm -a cancel=l:tst100,RESET lab01", "pm", "cancel", "l:tst100,RESET", []string{"lab01"}},
	} {
		argv := words(t, test.line)
		form, err := Parse(argv)
		if err != nil {
			t.Errorf("%s: %v", test.line, err)
			continue
		}
		var targets []string
		for _, target := range form.Targets {
			targets = append(targets, target.Text)
		}
		if form.Type != test.wantType || form.Action != test.action || form.Subopts != test.subopts || !reflect.DeepEqual(targets, test.targets) {
			t.Errorf("%s: %s %s %q %q", test.line, form.Type, form.Action, form.Subopts, targets)
		}
		if !IsForm(argv) {
			t.Errorf("%s: not taken for the ctys form", test.line)
		}
		if len(form.Unsupported) > 0 {
			t.Errorf("%s: unsupported %v", test.line, form.Unsupported)
		}
	}
}

func parse(t *testing.T, line string) *Form {
	t.Helper()
	form, err := Parse(words(t, line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return form
}

func TestPrivilegeOfATarget(t *testing.T) {
	form := parse(t, "ctys -t pm -a cancel=wol,self,stack,poweroff:0 -Z KSU hostX'(-Z SUDO)' hostY")
	if got := form.Options.Become; !reflect.DeepEqual(got, []string{"KSU"}) {
		t.Errorf("the call's: %q", got)
	}
	if got := form.For(form.Targets[0]).Become; !reflect.DeepEqual(got, []string{"SUDO"}) {
		t.Errorf("hostX's: %q", got)
	}
	if got := form.For(form.Targets[1]).Become; !reflect.DeepEqual(got, []string{"KSU"}) {
		t.Errorf("hostY's: %q", got)
	}
	form = parse(t, "ctys -t pm -a cancel=self,force,wol,poweroff:0,timeout:0 -z 2 wol1@lab01'(-Z sudo)'")
	target := form.Targets[0]
	if target.User != "wol1" || target.Host != "lab01" {
		t.Errorf("user %q, host %q", target.User, target.Host)
	}
	options := form.For(target)
	if options.PTY != 2 || !reflect.DeepEqual(options.Become, []string{"SUDO"}) {
		t.Errorf("PTY %d, become %q", options.PTY, options.Become)
	}
	if !options.Given("z") || options.Given("l") {
		t.Error("Given does not tell what was typed")
	}
}

func TestMerging(t *testing.T) {
	form := parse(t, "ctys -t pm -a list -l a -z 1 '(-l b -Y)' one two'(-l c -z NOPTY -A 1)' -l d -l e")
	one, two := form.For(form.Targets[0]), form.For(form.Targets[1])
	if form.Options.User != "e" || one.User != "b" || two.User != "c" {
		t.Errorf("users: %q %q %q", form.Options.User, one.User, two.User)
	}
	if one.PTY != 1 || two.PTY != 0 || !two.Given("z") {
		t.Errorf("terminals: %d %d", one.PTY, two.PTY)
	}
	if !one.Agent || !two.Agent || form.Options.Agent || one.Ambiguous || !two.Ambiguous {
		t.Error("switches of the parentheses are not merged")
	}
	if !form.Shared.Agent || form.Shared.User != "b" {
		t.Error("the first parentheses are not kept")
	}
}

func TestOptions(t *testing.T) {
	form := parse(t, `ctys lab01 -tPM -aList=Terse,MACHINE -T xen,KVM -nYXvv -bseq -A on -p/etc/inv --yes --limit=3 lab02
		--deadline 90 --journal /j --accept-new-host-key root@bmc[001-100,200] @rack7 '!lab09' bob@@rack8 u@R.ORG@h -- lab03`)
	options := form.Options
	if form.Type != "pm" || form.Action != "list" || form.Subopts != "Terse,MACHINE" || !reflect.DeepEqual(form.Types, []string{"xen", "kvm"}) {
		t.Errorf("%q %q %q %q", form.Type, form.Action, form.Subopts, form.Types)
	}
	if !options.Plan || !options.Agent || !options.Terse || options.Output != "terse" || options.Verbose != 2 || !options.Ambiguous {
		t.Errorf("letters: %+v", options)
	}
	if options.Inventory != "/etc/inv" || !options.Yes || options.Limit != 3 || options.Deadline != 90*time.Second ||
		options.Journal != "/j" || !options.AcceptNewHostKey || !reflect.DeepEqual(options.Background, []string{"seq"}) {
		t.Errorf("long: %+v", options)
	}
	type host struct{ user, host string }
	var hosts []host
	for _, target := range form.Targets {
		hosts = append(hosts, host{target.User, target.Host})
	}
	want := []host{{"", "lab01"}, {"", "lab02"}, {"root", "bmc[001-100,200]"}, {"", "@rack7"}, {"", "!lab09"},
		{"bob", "@rack8"}, {"u@R.ORG", "h"}, {"", "lab03"}}
	if !reflect.DeepEqual(hosts, want) {
		t.Errorf("targets: %v", hosts)
	}
	if form = parse(t, "ctys -a show --json -o table --inventory=/x --deadline=1h30m"); form.Type != "all" || form.TypeGiven ||
		form.Options.Output != "table" || form.Options.JSON || form.Options.Deadline != 90*time.Minute || !form.Options.Given("p") {
		t.Errorf("%+v", form)
	}
	if form = parse(t, "ctys -H cancel"); !form.Options.Help || form.Options.HelpTopic != "cancel" {
		t.Errorf("%+v", form)
	}
	for _, line := range []string{"ctys -h", "ctys -V", "ctys --help", "ctys --version", "ctys -a create -h"} {
		parse(t, line)
	}
	if form = parse(t, "ctys -a show lab01'()' macro"); len(form.Targets) != 2 || form.Targets[0].Host != "lab01" {
		t.Errorf("%+v", form.Targets)
	}
	if form = parse(t, "ctys -a list -b 0,3 -Z ALL,NOKSU"); !reflect.DeepEqual(form.Options.Background, []string{"sync", "par"}) {
		t.Errorf("%q", form.Options.Background)
	}
}

func TestUnsupported(t *testing.T) {
	for line, want := range map[string][]string{
		"ctys -t pm -a cancel=reboot -b async lab01":           nil,
		"ctys -t pm -a cancel=reboot -b 1,stack lab01":         {"-b stack"},
		"ctys -a list -b stack lab01":                          {"-b stack"},
		"ctys -a list -M hello":                                {"-M"},
		"ctys -a list lab01'(-M \"hello there\")' lab02":       {"-M"},
		"ctys -a list '(-b on -M x)' lab01 lab02":              {"-M"},
		"ctys -a list -b async lab01'(-b sync)'":               nil,
		"ctys -a list -b sync,par -Z SUDO -z 1 -n lab01 lab02": nil,
	} {
		var got []string
		for _, u := range parse(t, line).Unsupported {
			got = append(got, u.Option)
			if u.Text == "" {
				t.Errorf("%s: %s says nothing", line, u.Option)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, test := range []struct{ line, option, message string }{
		{"ctys lab01", "-a", "the action is missing"},
		{"ctys -t pm lab01", "-a", "the action is missing"},
		{"ctys -a create=wol,t:x lab01", "-a create", "it needs -t TYPE beside it (pm, xen,"},
		{"ctys -a CANCEL=reboot lab01", "-a cancel", "it needs -t TYPE"},
		{"ctys -t all -a cancel=reboot lab01", "-t all", "is carried out by one type"},
		{"ctys -t pm,xen -a list", "-t pm,xen", "-t names one type"},
		{"ctys -t vnc -a create", "-t vnc", "a login is no type"},
		{"ctys -t bhyve -a list", "-t bhyve", "the type is one of pm, xen, kvm"},
		{"ctys -t '' -a list", "-t ", "the type is one of"},
		{"ctys -a list -t", "-t", "its value is missing (-t TYPE)"},
		{"ctys -t pm -t xen -a list", "-t xen", "-t is given twice"},
		{"ctys -a list -a show", "-a show", "-a is given twice"},
		{"ctys -a =x", "-a =x", "an action is a name of letters"},
		{"ctys -a cancel:reboot -t pm", "-a cancel:reboot", "an action is a name of letters"},
		{"ctys -a ../evil", "-a ../evil", "an action is a name of letters"},
		{"ctys -a list -T xen,,kvm", "-T xen,,kvm", "the types are a list"},
		{"ctys -a list -T x11", "-T x11", "a login is no type"},
		{"ctys -a list -b later", "-b later", "the mode is one of sync"},
		{"ctys -a list -b sync,async", "-b sync,async", "the mode is one of sync"},
		{"ctys -a list -b seq,par", "-b seq,par", "the mode is one of sync"},
		{"ctys -a list -Z DOAS", "-Z DOAS", "the tools are a list"},
		{"ctys -a list -Z KSU,NOKSU", "-Z KSU,NOKSU", "none of them together with its opposite"},
		{"ctys -a list -z 3", "-z 3", "the pseudo-terminal is NOPTY, PTY, 1 or 2"},
		{"ctys -a list -A 2", "-A 2", "the switch is 0 (off) or 1 (on)"},
		{"ctys -a list -l -oProxyCommand=x", "-l -oProxyCommand=x", "the user is a name"},
		{"ctys -a list -o xml", "-o xml", "the output is terse, table or json"},
		{"ctys -a list -p ''", "-p ", "its value is empty (-p FILE)"},
		{"ctys -a list --limit 0", "--limit 0", "the limit is the number"},
		{"ctys -a list --limit=-1", "--limit=-1", "the limit is the number"},
		{"ctys -a list --limit +5", "--limit +5", "the limit is the number"},
		{"ctys -a list --deadline soon", "--deadline soon", "the deadline is a time"},
		{"ctys -a list --deadline 0", "--deadline 0", "the deadline is a time"},
		{"ctys -a list --deadline -1s", "--deadline -1s", "the deadline is a time"},
		{"ctys -a list --journal", "--journal", "its value is missing (--journal DIR)"},
		{"ctys -a list --yes=1", "--yes=1", "it takes no value (--yes)"},
		{"ctys -a list --jsno", "--jsno", "there is no such option; accepted: -t -a"},
		{"ctys -a list -q", "-q", `there is no option "-q"; accepted:`},
		{"ctys -a list -nq", "-nq", `there is no option "-q"`},
		{"ctys -a list -c off", "-c", "there is one inventory"},
		{"ctys -a list -C off", "-C", "nothing is cached"},
		{"ctys -a list -d 1", "-d", "say -v"},
		{"ctys -a list -g 80x24", "-g", "XOPTS within CREATE"},
		{"ctys -a list -nW ws", "-nW", "-W of the UnifiedSessionsManager has no counterpart"},
		{"ctys -a list 'lab01(-n'", "lab01(-n", "the parentheses stand around the options at the end"},
		{"ctys -a list 'lab01(-n)x'", "lab01(-n)x", "the parentheses stand around the options at the end"},
		{"ctys -a list lab01'(-q)'", "lab01(-q)", `"-q": there is no option`},
		{"ctys -a list lab01'(-z 7)'", "lab01(-z 7)", `"-z 7": the pseudo-terminal is`},
		{"ctys -a list lab01'(-Z)'", "lab01(-Z)", `"-Z": its value is missing`},
		{"ctys -a list lab01'(lab02)'", "lab01(lab02)", "only options stand in parentheses"},
		{"ctys -a list lab01'(-t pm)'", "lab01(-t pm)", `"-t pm" holds for the whole call`},
		{"ctys -a list '(--yes)' lab01", "(--yes)", `"--yes" holds for the whole call`},
		{"ctys -a list lab01'(-M \"x)'", `lab01(-M "x)`, "a quote or parenthesis"},
		{"ctys -a list lab01'((-n))'", "lab01((-n))", "a quote or parenthesis"},
		{"ctys -a list lab01 '(-n)'", "(-n)", "options for all targets stand once, before the first target"},
		{"ctys -a list '(-n)' '(-Y)'", "(-Y)", "stand once"},
		{"ctys -a list ''", "", "a target is [user@]host"},
		{"ctys -a list 'lab 01'", "lab 01", "a target is [user@]host"},
		{"ctys -a list root@", "root@", "a target is [user@]host"},
		{"ctys -a list -- -x", "-x", "a target is [user@]host"},
		{"ctys -a list -- root@-x", "root@-x", "a target is [user@]host"},
		{"ctys -a list -- -oX=y@lab01", "-oX=y@lab01", "the user before the @"},
		{"ctys -a list a@!b", "a@!b", "a target is [user@]host"},
		{"ctys -a list '!'", "!", "a target is [user@]host"},
		{"ctys -a list '!lab01(-n)'", "!lab01(-n)", "a target that is taken away has no options"},
		{"ctys -a list 'MACRO:night%file'", "MACRO:night%file", "there is no MACRO, SUBTASK, SUBGROUP or VMSTACK; a script in Lua does that work"},
		{"ctys -a list '{macro:night}'", "{macro:night}", "there is no MACRO"},
		{"ctys -a list 'SUBTASK{a b}'", "SUBTASK{a b}", "there is no MACRO"},
		{"ctys -a list 'SubGroup{a b}'", "SubGroup{a b}", "there is no MACRO"},
		{"ctys -a list 'VMSTACK{a b}'", "VMSTACK{a b}", "there is no MACRO"},
		{"ctys -a list VMSTACK", "VMSTACK", "there is no MACRO"},
	} {
		form, err := Parse(words(t, test.line))
		var refused *Error
		if !errors.As(err, &refused) {
			t.Errorf("%s: accepted: %+v", test.line, form)
			continue
		}
		if refused.Option != test.option || !strings.Contains(refused.Message, test.message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", test.line, err)
		}
	}
}

// Every letter of the original that means nothing here is one error that names
// its counterpart or says that there is none.
func TestLettersOfTheOriginal(t *testing.T) {
	for _, letter := range "dDEfFgjkLOrsSwWxycC" {
		_, err := Parse([]string{"-t", "pm", "-a", "list", "-" + string(letter), "x"})
		if err == nil || !strings.Contains(err.Error(), "-"+string(letter)+" of the UnifiedSessionsManager ") {
			t.Errorf("-%c: %v", letter, err)
		}
	}
	if len(original) != len("dDEfFgjkLOrsSwWxycC") {
		t.Errorf("%d letters are explained", len(original))
	}
}

func TestIsForm(t *testing.T) {
	for line, want := range map[string]bool{
		"ctys -a list":                                 true,
		"ctys -tpm -alist":                             true,
		"ctys --yes --limit 3 -v -t pm":                true,
		"ctys --inventory x -nt pm":                    true,
		"ctys -h":                                      true,
		"ctys '(-n)' lab01":                            true,
		"ctys":                                         false,
		"ctys wakeup -t 192.168.3.255":                 false,
		"ctys --inventory x wakeup -t 1":               false,
		"ctys --inventory=x --limit 3 plugins -t 1":    false,
		"ctys -v -vv --json genmconf -a":               false,
		"ctys --inventory -t wakeup":                   false,
		"ctys run - -a":                                false,
		"ctys - -a":                                    false,
		"ctys -- -a":                                   false,
		"ctys --deadline 5s --journal /j stack -t pm ": false,
	} {
		if got := IsForm(words(t, line)); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// FuzzParse: any words are read, or refused in one line.
func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"-t\x00pm\x00-a\x00cancel=l:x,POWEROFF:0\x00lab01", "-Z\x00KSU\x00hostX(-Z SUDO)", "(-n)\x00a\x00!b\x00@c",
		"-tpm\x00-alist\x00--limit=3\x00--\x00-x", "-\xff", "-\n", "a(-M 'x y' -\xff)", "u@R@h", "{MACRO:x}",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		argv := strings.Split(line, "\x00")
		IsForm(argv)
		form, err := Parse(argv)
		if err == nil {
			for _, target := range form.Targets {
				if target.Host == "" || strings.ContainsAny(target.Host, " \n()") || strings.HasPrefix(target.User, "-") {
					t.Errorf("%q: target %q@%q", argv, target.User, target.Host)
				}
				form.For(target)
			}
			if form.Action != strings.ToLower(form.Action) {
				t.Errorf("%q: action %q", argv, form.Action)
			}
			return
		}
		var refused *Error
		if !errors.As(err, &refused) || refused.Message == "" || strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Errorf("%q: %q", argv, err)
		}
	})
}
