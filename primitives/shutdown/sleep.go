package shutdown

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"ctys/primitives"
)

// What the kernel tells of its sleep (Linux, Documentation/ABI/testing/sysfs-power
// and Documentation/admin-guide/pm/sleep-states.rst).
const (
	sleepStates = "/sys/power/state"     // "freeze mem disk"
	memorySleep = "/sys/power/mem_sleep" // "s2idle [deep]"; missing where there is no choice
	diskSleep   = "/sys/power/disk"      // "[platform] shutdown reboot", "[disabled]"
	resumeFrom  = "/sys/power/resume"    // the swap device that a boot looks for an image on, "8:2"; "0:0" is none
	swapAreas   = "/proc/swaps"
	memoryInUse = "/proc/meminfo"
)

// sleepState is a method's word in sleepStates.
func (m Method) sleepState() string {
	if m == Hibernate {
		return "disk"
	}
	return "mem"
}

// canSleep gives an error of kind Unsupported, with what is missing, where the
// kernel does not have a method at all. To suspend is to RAM (deep, ACPI S3): a
// machine that knows s2idle alone stays powered.
func (c *Client) canSleep(op string, method Method) error {
	states, err := c.words(sleepStates)
	if errors.Is(err, os.ErrNotExist) {
		return primitives.Errorf(primitives.Unsupported, op, "", "cannot %s: this kernel has no %s, so it cannot sleep (is this a container?)", method, sleepStates)
	}
	if err != nil {
		return primitives.Wrap(op, "", "cannot tell whether this machine can "+string(method), err)
	}
	if !slices.Contains(states, method.sleepState()) {
		return primitives.Errorf(primitives.Unsupported, op, "", "cannot %s: %s has no %s, only %q%s. %s",
			method, sleepStates, method.sleepState(), strings.Join(states, " "), reasons[method], instead[method])
	}
	if method == Hibernate {
		if modes, err := c.words(diskSleep); err == nil && slices.Contains(modes, "[disabled]") {
			return primitives.Errorf(primitives.Unsupported, op, "", "cannot hibernate: %s says %q%s. %s", diskSleep, strings.Join(modes, " "), reasons[method], instead[method])
		}
		return nil
	}
	if modes, err := c.words(memorySleep); err == nil && modeIn(modes, "deep") == "" {
		return primitives.Errorf(primitives.Unsupported, op, "", "cannot suspend to RAM: %s has no deep (ACPI S3), only %q, in which the machine stays powered. %s",
			memorySleep, strings.Join(modes, " "), instead[method])
	}
	return nil
}

// reasons are why a kernel often lacks a method, and instead what else there is.
var (
	reasons = map[Method]string{
		Suspend:   " (firmware without ACPI S3, or a kernel without CONFIG_SUSPEND)",
		Hibernate: " (a kernel without CONFIG_HIBERNATION, or locked down by Secure Boot)",
	}
	instead = map[Method]string{Suspend: "Hibernate it or power it off instead", Hibernate: "Power it off instead"}
)

// words reads a file of words.
func (c *Client) words(path string) ([]string, error) {
	text, err := c.read(path)
	return strings.Fields(string(text)), err
}

// modeIn finds a mode in a list whose selected one stands in brackets, and gives
// it as it stands there; empty where it does not.
func modeIn(modes []string, mode string) string {
	for _, each := range modes {
		if each == mode || each == "["+mode+"]" {
			return each
		}
	}
	return ""
}

// canResume gives an error of kind Unsupported where a machine would not come
// back from a method. logind looks at that itself.
func (c *Client) canResume(op string, method Method) error {
	if missing := c.because(method); missing != "" {
		return primitives.Errorf(primitives.Unsupported, op, "", "cannot %s%s", method, missing)
	}
	return nil
}

// because says what is known to be missing for a method that the kernel has;
// empty where nothing is.
func (c *Client) because(method Method) string {
	if method != Hibernate {
		return ""
	}
	if missing := c.missingForDisk(); len(missing) > 0 {
		return ": " + strings.Join(missing, "; ")
	}
	return ""
}

// missingForDisk is what a machine lacks whose kernel can hibernate: room for
// the image, and a boot that finds it.
func (c *Client) missingForDisk() []string {
	var missing []string
	free, err := c.freeSwap()
	switch {
	case err != nil:
		missing = append(missing, "the swap space cannot be read: "+err.Error())
	case free == 0:
		missing = append(missing, "there is no swap space on a disk for the image (swapon; zram does not survive)")
	default:
		if used := c.activeMemory(); used > free {
			missing = append(missing, fmt.Sprintf("the swap space is too small for the image: %d MiB free, %d MiB of memory in use", free>>10, used>>10))
		}
	}
	if device, err := c.words(resumeFrom); err != nil || len(device) != 1 || device[0] == "0:0" {
		missing = append(missing, "a boot would not look for the image: say resume=DEVICE on the kernel's command line")
	}
	return missing
}

// freeSwap adds up the free KiB of the areas on disks (proc_swaps(5)).
func (c *Client) freeSwap() (free int64, err error) {
	text, err := c.read(swapAreas)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(text), "\n")[1:] {
		fields := strings.Fields(line) // Filename Type Size Used Priority
		if len(fields) != 5 || strings.HasPrefix(fields[0], "/dev/zram") {
			continue
		}
		size, errSize := strconv.ParseInt(fields[2], 10, 64)
		used, errUsed := strconv.ParseInt(fields[3], 10, 64)
		if err := errors.Join(errSize, errUsed); err != nil {
			return 0, err
		}
		free += max(0, size-used)
	}
	return free, nil
}

// activeMemory is the least that an image has to hold, in KiB: pages that belong
// to programs and were used lately (proc_meminfo(5), "Active(anon)"); 0 where the
// kernel does not tell.
func (c *Client) activeMemory() int64 {
	text, err := c.read(memoryInUse)
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if count, is := strings.CutPrefix(line, "Active(anon):"); is {
			size, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(count), " kB"), 10, 64)
			return size
		}
	}
	return 0
}
