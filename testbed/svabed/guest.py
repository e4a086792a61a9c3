# SPDX-License-Identifier: GPL-2.0
"""The emulated machines: QEMU command lines and where their parts are."""

import os
from pathlib import Path

TESTBED = Path(__file__).resolve().parent.parent
TOP = TESTBED.parent
# Empty is unset, as in the shell scripts
BUILD = Path(os.environ.get("SVA_BUILD") or TOP / "build")
ARCHES = ("arm64", "x86")
FLAVOURS = ("debug", "plain")
KERNELS = ("stock", "series", "mutants")
STALLS = ("support", "force", "none")
FUNCTIONS, FIRST_SLOT, LAST_SLOT = 3, 4, 15

# oops=panic: a kernel that has gone wrong tells us at once, not by hanging.
COMMON_CMDLINE = "ignore_loglevel panic=-1 oops=panic"
FLAVOUR_CMDLINE = {"debug": "kasan_multi_shot", "plain": ""}
BOOT = {"arm64": "arch/arm64/boot/Image", "x86": "arch/x86/boot/bzImage"}


def kernel_image(arch, flavour, kernel):
    return BUILD / "kernel" / f"{arch}-{flavour}-{kernel}" / BOOT[arch]


def rootfs(arch):
    return BUILD / "rootfs" / f"{arch}.cpio"


def qemu(arch):
    """SVA_QEMU_<ARCH> is for trying another QEMU."""
    name = {"arm64": "qemu-system-aarch64", "x86": "qemu-system-x86_64"}[arch]
    return Path(os.environ.get(f"SVA_QEMU_{arch.upper()}") or BUILD / "qemu" / name)


def sva_devices(arch, stall, functions):
    """/dev/pci_sva_test0 and 1 can stall, 2 only where all have to, and so on."""
    can_stall = {"none": 0, "support": 2, "force": 3}[stall] if arch == "arm64" else 0
    for number in range(functions):
        option = ",dma-can-stall=on" if number % 3 < can_stall else ""
        yield from ("-device", f"sva-test,addr={FIRST_SLOT + number}{option}")


def machine(arch, stall, functions=FUNCTIONS):
    if arch == "arm64":
        yield from ("-M", "virt,iommu=smmuv3,gic-version=3", "-cpu", "cortex-a72")
        port = "virtio-serial-device"
        if functions:
            yield from ("-global", "arm-smmuv3.ssidsize=16",
                        "-global", f"arm-smmuv3.stall={stall}",
                        # As late and as unordered as the specification allows
                        "-global", "arm-smmuv3.x-lazy-inv=tlb-first")
    else:
        yield from ("-M", "q35", "-cpu", "qemu64",
                    "-L", str(BUILD / "qemu" / "pc-bios"),
                    "-device", "intel-iommu,x-scalable-mode=on,x-flts=on,aw-bits=48")
        port = "virtio-serial-pci,addr=0x10"
    yield from ("-smp", "2", "-m", "1G", "-nodefaults", "-display", "none", "-no-reboot")
    # The test port must not depend on what is under test: no PCI where possible.
    yield from ("-device", port, "-device", "virtserialport,chardev=tests,name=testbed")
    yield from sva_devices(arch, stall, functions)


def cmdline(arch, flavour, stall, extra=""):
    console = {"arm64": "console=ttyAMA0 iommu.passthrough=0",
               "x86": "console=ttyS0 intel_iommu=on,sm_on iommu.strict=1"}[arch]
    forced = "sva.stall_force" if arch == "arm64" and stall == "force" else ""
    return " ".join(filter(None, (console, COMMON_CMDLINE, FLAVOUR_CMDLINE[flavour],
                                 forced, extra)))


def command(arch, flavour, stall, *, image, initrd, log, extra_cmdline="", extra_args=(),
            shell=False, functions=FUNCTIONS):
    """The whole QEMU command line; logs go to the directory @log."""
    words = [str(qemu(arch)), *machine(arch, stall, functions)]
    if shell:
        words += ["-chardev", f"stdio,id=console,mux=on,signal=off,logfile={log}/console.log",
                  "-mon", "chardev=console", "-chardev", "null,id=tests"]
    else:
        words += ["-chardev", f"file,id=console,path={log}/console.log",
                  "-chardev", f"file,id=tests,path={log}/port.log", "-monitor", "none"]
    words += ["-serial", "chardev:console", "-kernel", str(image), "-initrd", str(initrd),
              "-append", cmdline(arch, flavour, stall, extra_cmdline), *extra_args]
    return words


def missing(arch, image):
    """What a run needs and does not have."""
    for path in (qemu(arch), image, rootfs(arch)):
        if not path.exists():
            yield f"no {path}"
