# SPDX-License-Identifier: GPL-2.0-or-later
#
# A machine with SMMUv3 and the SVA test device, nothing else

CONFIG_ARM_VIRT=y
CONFIG_PCIE_PORT=y
CONFIG_TEST_DEVICES=y
CONFIG_SVA_TEST=y
CONFIG_EDU=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_SERIAL=y
