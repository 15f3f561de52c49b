"""The null target: programs are compiled for a plain x86-64 processor and never run."""

from dataclasses import replace

from lamina.backend.targets.x86 import generic

TARGET = replace(generic.TARGET, name="null", arch="null", runs=False)
