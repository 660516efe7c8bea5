package shutdown

import (
	"context"
	"os"
	"testing"

	"ctys/primitives"
)

func TestInRunLevel(t *testing.T) {
	type answers map[string]string // by the last argument; "active" ends with 0
	run := func(says answers) func(context.Context, []string, string) (string, int, error) {
		return func(_ context.Context, argv []string, _ string) (string, int, error) {
			word, known := says[argv[len(argv)-1]]
			switch {
			case !known:
				return "", 0, os.ErrPermission
			case word == "active", argv[0] == "/sbin/runlevel":
				return word + "\n", 0, nil
			}
			return word + "\n", 3, nil
		}
	}
	for name, test := range map[string]struct {
		systemd bool
		level   int
		says    answers
		want    bool
		kind    primitives.Kind
	}{
		"multi-user":             {true, 3, answers{"multi-user.target": "active", "graphical.target": "inactive"}, true, ""},
		"graphical is not 3":     {true, 3, answers{"multi-user.target": "active", "graphical.target": "active"}, false, ""},
		"graphical":              {true, 5, answers{"graphical.target": "active"}, true, ""},
		"on its way":             {true, 5, answers{"graphical.target": "activating"}, false, ""},
		"rescue":                 {true, 1, answers{"rescue.target": "active"}, true, ""},
		"not rescue":             {true, 1, answers{"rescue.target": "inactive"}, false, ""},
		"nonsense":               {true, 5, answers{"graphical.target": "Failed to connect to bus"}, false, primitives.Internal},
		"does not run":           {true, 5, answers{}, false, primitives.Denied},
		"half an answer":         {true, 2, answers{"multi-user.target": "active"}, false, primitives.Denied},
		"sysvinit":               {false, 2, answers{"/sbin/runlevel": "N 2"}, true, ""},
		"sysvinit, another":      {false, 2, answers{"/sbin/runlevel": "2 5"}, false, ""},
		"sysvinit, single user":  {false, 1, answers{"/sbin/runlevel": "2 S"}, true, ""},
		"sysvinit, unknown":      {false, 2, answers{"/sbin/runlevel": "unknown"}, false, primitives.Internal},
		"sysvinit, does not run": {false, 2, answers{}, false, primitives.Denied},
		"0 is no level to be in": {true, 0, answers{}, false, primitives.Invalid},
		"6 is no level to be in": {true, 6, answers{}, false, primitives.Invalid},
	} {
		client, _ := toolClient(t, test.systemd, 1000, "systemctl", "runlevel")
		client.Run = run(test.says)
		got, err := client.InRunLevel(context.Background(), test.level)
		if got != test.want || (err != nil || test.kind != "") && primitives.KindOf(err) != test.kind {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, systemd := range []bool{true, false} {
		client, _ := toolClient(t, systemd, 0)
		if _, err := client.InRunLevel(context.Background(), 3); primitives.KindOf(err) != primitives.Unsupported {
			t.Errorf("no program: %v", err)
		}
	}
}
