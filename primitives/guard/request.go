package guard

import (
	"path/filepath"
	"regexp"
	"time"

	"ctys/primitives"
)

// nameForm is what stands for itself in a unit's name (systemd.unit(5)).
var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

func check(request Request) error {
	switch {
	case !filepath.IsAbs(request.File):
		return primitives.Errorf(primitives.Invalid, opArm, request.File, "the file's path must be absolute: the guards run elsewhere")
	case !nameForm.MatchString(request.Name):
		return primitives.Errorf(primitives.Invalid, opArm, request.File, "%q is no name for a guard (accepted: letters, digits, \"-\" and \"_\")", request.Name)
	case request.After < time.Second:
		return primitives.Errorf(primitives.Invalid, opArm, request.File, "a guard that waits for %v leaves no time to disarm it (accepted: a second and more)", request.After)
	}
	return nil
}
